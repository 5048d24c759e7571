"""A route without tests fails the run: at its first request, and by the lists of all routes."""

import pytest
from flask import Blueprint

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


def test_a_url_is_made_for_each_converter() -> None:
    made = routes.filled_in("/a/<b>/<int:c>/<path:d>/<string(length=2):e>/<uuid:f>/<float:g>")

    assert made.count("<") == 0
    with pytest.raises(KeyError, match="color"):
        routes.filled_in("/<color:shade>")
