"""The access rules of all routes, which their domains declare."""

from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from conftest import authorization
from tests import routes

APP = Path(__file__).parents[1] / "app"
DOMAINS = sorted(path.parts[-3] for path in APP.glob("*/tests/access_rules.py"))


def declared() -> list[tuple[str, tuple[int, int, int]]]:
    """Return the rules of all domains: each has those of its routes in `tests/access_rules.py`."""
    tables = [import_module(f"app.{domain}.tests.access_rules").RULES for domain in DOMAINS]
    return [rule for table in tables for rule in table.items()]


def test_every_route_of_the_api_has_its_rule(app: Flask) -> None:
    served = {f"{method} {rule.rule}" for method, rule in routes.api_routes(app)}

    assert served == {route for route, _ in declared()}


def test_no_two_domains_declare_a_rule_for_one_route() -> None:
    times = Counter(route for route, _ in declared())

    assert [route for route, count in times.items() if count > 1] == []


@pytest.mark.attack
def test_each_route_admits_exactly_the_clients_of_its_rule(
    app: Flask, client: FlaskClient, subtests: pytest.Subtests
) -> None:
    principals = {
        "nobody": "",
        "a user": authorization(app, "user"),
        "an administrator": authorization(app, "admin"),
    }
    for route, statuses in declared():
        method, _, rule = route.partition(" ")
        path = routes.filled_in(rule)
        for (name, header), status in zip(principals.items(), statuses, strict=True):
            with subtests.test(f"{name}: {route}"):
                response = client.open(path, method=method, headers={"Authorization": header})

                assert response.status_code == status
