"""A route without tests fails the run: at its first request, and by the lists of all routes."""

import ast
from pathlib import Path

import pytest
from flask import Blueprint

from app.core.api import PREFIX
from conftest import MakeApp
from tests import routes


def test_a_route_that_is_not_in_the_document_fails_the_test_that_calls_it(
    make_app: MakeApp,
) -> None:
    app = make_app()
    stray = Blueprint("stray", __name__, url_prefix="/v2/stray")
    stray.add_url_rule("/<int:number>", view_func=lambda number: f"{number}")
    app.register_blueprint(stray)

    with pytest.raises(AssertionError, match=r"/v2/stray/\{number\} is not in the API document"):
        app.test_client().get("/v2/stray/1")

    assert ("GET", "/v2/stray/<int:number>") in {
        (method, rule.rule) for method, rule in routes.api_routes(app)
    }


def test_the_prefix_of_the_api_is_written_once() -> None:
    project = Path(__file__).parents[1]
    found = {
        path.relative_to(project).as_posix()
        for path in project.glob("app/**/*.py")
        if "tests" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword | ast.Assign | ast.Return | ast.Call)
        for value in ast.iter_child_nodes(node)
        if isinstance(value, ast.Constant) and PREFIX in str(value.value)
    }

    assert found == {"app/core/http/api_paths.py"}


def test_a_url_is_made_for_each_converter() -> None:
    made = routes.filled_in("/a/<b>/<int:c>/<path:d>/<string(length=2):e>/<uuid:f>/<float:g>")

    assert made.count("<") == 0
    with pytest.raises(KeyError, match="color"):
        routes.filled_in("/<color:shade>")
