"""Finds uses of private names of dependencies, and assignments to their attributes.

A name that starts with one underscore is private, and so is a module with one in its path. Any
release of a dependency may break code that uses its private names, or assigns to its classes,
modules or objects. The class of an object is inferred from annotations (`app: Flask`) and
constructor calls (`app = Flask()`).
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

PROJECT = Path(__file__).parents[1]
OURS = frozenset({"app", "conftest", "migrations", "tests", "worker"})
# For type hints only, without a public alternative.
HINTS = frozenset({"_typeshed"})
# Public despite the underscore, which avoids conflicts with field names (Python's documentation).
NAMED_TUPLE = frozenset({"_asdict", "_fields", "_make", "_replace"})
# Meant for an application's own values.
FOR_US = "flask.g."
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
PATH = re.compile(r"\w+(\.\w+)+")


def is_private(name: str) -> bool:
    """Return whether a name starts with an underscore and is not special."""
    special = name == "_" or name.endswith("__") or name in NAMED_TUPLE
    return name.startswith("_") and not special


def has_private(path: str) -> bool:
    """Return whether a part of a dotted path is private."""
    return any(map(is_private, path.split(".")))


def is_dependency(path: str) -> bool:
    """Return whether a dotted path belongs to an installed package."""
    root = path.partition(".")[0]
    return bool(root) and root not in OURS | HINTS and root not in sys.stdlib_module_names


def is_set(node: ast.Attribute) -> bool:
    """Return whether an attribute is assigned or deleted."""
    return not isinstance(node.ctx, ast.Load)


def dotted(node: ast.expr) -> list[str]:
    """Return the names of `a.b.c`, or nothing for any other expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def class_at(path: str) -> type | None:
    """Return the class at a dotted path, or None."""
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None) if module else None
    except ImportError:
        return None
    # Not isinstance(): it raises an error for Werkzeug's proxies outside of a request.
    return found if issubclass(type(found), type) else None


# Type forms that wrap the annotated class.
AROUND = frozenset({"Annotated", "ClassVar", "Final", "Optional"})


def hinted(node: ast.expr | None) -> ast.expr | None:
    """Return the class in a type hint: `C` for `"C"`, `C | None` or `C[int]`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return hinted(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.BinOp):
        return hinted(node.left)
    if isinstance(node, ast.Tuple):
        return hinted(node.elts[0])
    if isinstance(node, ast.Subscript):
        return hinted(node.value) if AROUND.isdisjoint(dotted(node.value)) else hinted(node.slice)
    return node


class Module:
    """A module of this service."""

    def __init__(self, place: str, text: str) -> None:
        """Parse a module's source; `place` is its path relative to the project folder."""
        self.place = place
        self.name = place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.tree = ast.parse(text)
        self.imported: dict[str, str] = {}
        """The imported paths, by their name in this module."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    known = alias.asname or alias.name.partition(".")[0]
                    self.imported[known] = alias.name if alias.asname else known
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def defined(self) -> set[str]:
        """Return every private name that this module defines."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
        return set(filter(is_private, found))

    def resolved(self, node: ast.expr | None, objects: Mapping[str, str]) -> str:
        """Resolve an expression to a dotted path through the imports; "" if it has none."""
        first, *rest = (dotted(node) if node else []) or [""]
        start = objects.get(first) or self.imported.get(first, "")
        return ".".join([start, *rest]) if start else ""

    def objects(self, scope: ast.AST) -> dict[str, str]:
        """Return the class of each variable of a function or module, where it can be inferred."""
        found: dict[str, str] = {}
        for node in ast.walk(scope):
            if isinstance(node, ast.arg):
                self._add_class(found, node.arg, hinted(node.annotation))
        for node in ast.walk(scope):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self._add_class(found, node.target.id, hinted(node.annotation))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                if isinstance(node.value, ast.Call):
                    self._add_class(found, node.targets[0].id, node.value.func)
                elif dotted(node.value)[:1] and dotted(node.value)[0] in found:
                    found[node.targets[0].id] = self.resolved(node.value, found)
        return found

    def _add_class(self, found: dict[str, str], name: str, kind: ast.expr | None) -> None:
        path = self.resolved(kind, {})
        if path and class_at(path):
            found[name] = path

    def uses(self, ours: AbstractSet[str]) -> Iterator[tuple[str, str]]:
        """Yield each use of a private name and each assignment, with its location.

        A private attribute of an object of unknown class counts as a dependency's, unless this
        service defines the name.
        """
        seen: set[int] = set()
        scopes = [node for node in ast.walk(self.tree) if isinstance(node, FUNCTIONS)]
        for scope in [*reversed(scopes), self.tree]:
            objects = self.objects(scope)
            for node in ast.walk(scope):
                if id(node) not in seen:
                    seen.add(id(node))
                    for what in self._in(node, objects, ours):
                        yield what, f"{self.place}:{getattr(node, 'lineno', 0)}"

    def _in(
        self, node: ast.AST, objects: Mapping[str, str], ours: AbstractSet[str]
    ) -> Iterator[str]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            paths = [f"{start}{alias.name}" for alias in node.names]
            yield from (path for path in paths if is_dependency(path) and has_private(path))
        elif isinstance(node, ast.ClassDef):
            yield from self._overridden(node)
        elif isinstance(node, ast.Attribute):
            path = self.resolved(node, objects)
            if is_private(node.attr) and (is_dependency(path) if path else node.attr not in ours):
                yield path or f"?.{node.attr}"
            elif is_set(node) and is_dependency(path) and not path.startswith(FOR_US):
                yield f"{path} ="
        elif isinstance(node, ast.Call):
            yield from self._by_name(node, objects, ours)
        elif isinstance(node, ast.Constant) and PATH.fullmatch(str(node.value)):
            root = str(node.value).partition(".")[0]
            if has_private(str(node.value)) and root in sys.modules and is_dependency(root):
                yield str(node.value)

    def _overridden(self, node: ast.ClassDef) -> Iterator[str]:
        """Yield private members of a class that override those of a dependency's class."""
        members = [each.name for each in node.body if isinstance(each, FUNCTIONS)]
        for each in node.body:
            targets = each.targets if isinstance(each, ast.Assign) else []
            targets = [each.target] if isinstance(each, ast.AnnAssign) else targets
            members += [target.id for target in targets if isinstance(target, ast.Name)]
        for base in node.bases:
            kind = hinted(base)
            path = self.resolved(kind, {}) or ".".join([self.name, *dotted(kind)] if kind else [])
            for owner in reversed(getattr(class_at(path), "__mro__", ())):
                if is_dependency(owner.__module__):
                    found = [name for name in members if is_private(name) and name in vars(owner)]
                    yield from (f"{owner.__module__}.{owner.__qualname__}.{name}" for name in found)
                    members = [name for name in members if name not in found]

    def _by_name(
        self, node: ast.Call, objects: Mapping[str, str], ours: AbstractSet[str]
    ) -> Iterator[str]:
        """Check calls of getattr, setattr and delattr. `monkeypatch` may set public names."""
        function = dotted(node.func)
        if function[-1:] not in (["getattr"], ["setattr"], ["delattr"]):
            return
        # The arguments are repeated because monkeypatch also accepts a single dotted path.
        owner, name, *_rest = [*node.args, *node.args]
        path = self.resolved(owner, objects)
        text = str(name.value) if isinstance(name, ast.Constant) else "*"
        if is_private(text):
            if is_dependency(path) if path else text not in ours:
                yield f"{path or '?'}.{text}"
        elif path and is_dependency(path) and function in (["setattr"], ["delattr"]):
            yield f"{path}.{text} ="


def modules() -> list[Module]:
    """Parse every module of this service, except the test module with examples of violations."""
    folders = [PROJECT / name for name in ("app", "migrations", "tests")]
    paths = [*PROJECT.glob("*.py"), *(path for each in folders for path in each.rglob("*.py"))]
    return [
        Module(path.relative_to(PROJECT).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(paths)
        if path.name != "test_private_names.py"
    ]


def uses(read: list[Module]) -> dict[str, list[str]]:
    """Return all uses of private names and all assignments, with their locations."""
    ours = {name for module in read for name in module.defined()}
    found: dict[str, list[str]] = {}
    for module in read:
        for what, where in module.uses(ours):
            found.setdefault(what, []).append(where)
    return found
