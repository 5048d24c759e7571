"""The names of this service's own domains, and what their modules may import."""

from collections.abc import Iterator

from grimp import ImportGraph

from app.domains import DOMAINS

NAMES = {domain.__name__.rpartition(".")[2] for domain in DOMAINS}
LAYERS = ["routes", "service", "repository", "models"]


def is_allowed(importer: str, imported: str) -> bool:
    """Return whether a module of a domain may import a module of the service.

    The layers of a domain import downwards only, and other domains are used through their services.
    """
    _, domain, module, *_ = [*importer.split("."), ""]
    _, other, target, *_ = [*imported.split("."), "", ""]
    if other == domain:
        layered = module in LAYERS and target in LAYERS
        return not layered or LAYERS.index(module) <= LAYERS.index(target)
    return other == "core" or target.endswith("service")


def refused_imports(graph: ImportGraph, names: set[str]) -> Iterator[str]:
    """Yield the imports that the modules of these domains may not have; their tests may import all."""
    for importer in sorted(graph.modules):
        _, domain, *modules = [*importer.split("."), ""]
        if domain in names and "tests" not in modules:
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                if not is_allowed(importer, imported):
                    yield f"{importer} imports {imported}"
