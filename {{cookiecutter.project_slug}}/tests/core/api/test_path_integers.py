import pytest
from flask import Flask
from werkzeug.routing import Map

from app.core.api import path_integers


@pytest.fixture
def numbered() -> Flask:
    app = Flask("toy")
    path_integers.init_app(app)
    app.add_url_rule("/notes/<int:number>", view_func=lambda number: f"{number}")
    app.add_url_rule(
        "/pages/<int(min=1, max=9):page>", view_func=lambda page: f"{page}", endpoint="p"
    )
    signed = "/shifts/<int(signed=True):shift>"
    app.add_url_rule(signed, view_func=lambda shift: f"{shift}", endpoint="shift")
    return app


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/notes/0", 200),
        (f"/notes/{2**63 - 1}", 200),
        (f"/notes/{2**63}", 404),
        (f"/notes/{'9' * 5_000}", 404),
        ("/notes/-1", 404),
        ("/pages/9", 200),
        ("/pages/0", 404),
        ("/pages/10", 404),
        ("/shifts/-7", 200),
        (f"/shifts/{-(2**63)}", 404),
    ],
)
def test_a_number_that_no_id_can_be_is_not_found(numbered: Flask, path: str, status: int) -> None:
    assert numbered.test_client().get(path).status_code == status


def test_the_document_states_the_range_and_64_bits() -> None:
    assert path_integers.describe(path_integers.PathInteger(Map(), max=9)) == {
        "type": "integer",
        "format": "int64",
        "minimum": 0,
        "maximum": 9,
    }
