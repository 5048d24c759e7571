"""The domains of this service's own: those in `app/domains.py`."""

import grimp
import pytest

from app import domains
from conftest import MakeApp
from tests import own_domains, toy


def test_a_domain_that_is_listed_is_served(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domains, "DOMAINS", (toy,))

    client = make_app().test_client()

    assert client.post(toy.URL, json=toy.NOTE).status_code == 200


def test_own_domains_have_layers_and_use_only_the_services_of_others() -> None:
    graph = grimp.build_graph("app")

    assert [*own_domains.refused_imports(graph, own_domains.NAMES)] == []


def test_an_import_upwards_or_of_the_inside_of_another_domain_is_found() -> None:
    graph = grimp.ImportGraph()
    for importer, imported in (
        ("app.notes.routes", "app.notes.service"),
        ("app.notes.service", "app.core.errors"),
        ("app.notes.service", "app.tags.service"),
        ("app.notes.service", "app.tags.models"),
        ("app.notes.models", "app.notes.repository"),
        ("app.notes", "app.settings"),
        ("app.notes.tests.test_notes", "app.tags.models"),
        ("app.tags.models", "app.notes.models"),
    ):
        graph.add_import(importer=importer, imported=imported)

    assert [*own_domains.refused_imports(graph, {"notes"})] == [
        "app.notes imports app.settings",
        "app.notes.models imports app.notes.repository",
        "app.notes.service imports app.tags.models",
    ]
