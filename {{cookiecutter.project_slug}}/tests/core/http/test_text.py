"""Text that cannot be stored, in a domain that only this test has."""

from typing import Any

import pytest
from flask import Response
from flask.testing import FlaskClient
from marshmallow import fields

from app.core.api import Blueprint, json_response
from app.core.schemas import Schema
from conftest import MakeApp, body


class NoteSchema(Schema):
    text = fields.String()
    details = fields.Dict()


class SearchSchema(Schema):
    text = fields.String()


@pytest.fixture(scope="module")
def notes(make_app: MakeApp) -> FlaskClient:
    """Return a client of an application with a domain of its own, which returns what it has read."""
    app = make_app()
    blueprint = Blueprint("notes", __name__, description="Keep notes")

    @blueprint.route("", methods=["POST"])
    @blueprint.arguments(NoteSchema)
    @blueprint.response(200, NoteSchema)
    def write_note(note: dict[str, Any]) -> Response:
        """Store a note."""
        return json_response(note)

    @blueprint.route("", methods=["GET"])
    @blueprint.arguments(SearchSchema, location="query")
    @blueprint.response(200, NoteSchema)
    def find_note(query: dict[str, Any]) -> Response:
        """Find a note."""
        return json_response(query)

    @blueprint.route("/<path:text>/copies", methods=["GET"])
    @blueprint.response(200, NoteSchema)
    def list_copies(text: str) -> Response:
        """Find copies of a note."""
        return json_response({"text": text})

    app.register_blueprint(blueprint, url_prefix="/v2/notes")
    return app.test_client()


@pytest.mark.attack
def test_half_a_surrogate_is_no_text(notes: FlaskClient) -> None:
    for half in (b"\\ud800", b"\\udfff", b"\xed\xa0\x80", b"\xff"):
        response = notes.post(
            "/v2/notes", data=b'{"text": "%b"}' % half, content_type="application/json"
        )

        assert response.status_code == 400


def test_each_nul_of_a_body_is_pointed_at(notes: FlaskClient) -> None:
    payload = {"text": "a\0b", "details": {"fine": ["", "\0", 1], "\0": 1}}

    response = body(notes.post("/v2/notes", json=payload))

    places = [each["pointer"] for each in response["errors"]]
    assert places == ["#/text", "#/details/fine/1", "#/details"]
    assert {each["detail"] for each in response["errors"]} == {"Must not contain NUL (U+0000)."}


def test_a_text_about_a_nul_holds_none(notes: FlaskClient) -> None:
    assert notes.post("/v2/notes", json={"text": r"write \u0000"}).status_code == 200


@pytest.mark.attack
def test_a_url_is_text(notes: FlaskClient, subtests: pytest.Subtests) -> None:
    for path in (
        "/v2/notes?text=%00",
        "/v2/notes?text=a%FFb",
        "/v2/notes?text=%ED%A0%80",
        "/v2/notes?%00=1",
        "/v2/notes/a%00b/copies",
        "/v2/nowhere/%00",
    ):
        with subtests.test(path):
            response = notes.get(path)

            assert response.status_code == 400
            assert body(response)["code"] == "unreadable_url"
    for path in ("/v2/notes/a\xffb/copies", "/\xff", "/\xed\xa0\x80"):
        with subtests.test(repr(path)):
            # Set in the WSGI environment: Werkzeug's client cannot send such bytes.
            response = notes.get("/", environ_overrides={"PATH_INFO": path})

            assert response.status_code == 400
            assert body(response)["code"] == "unreadable_url"


def test_non_ascii_text_is_accepted(notes: FlaskClient) -> None:
    text = "aé注\U0001f680/%"

    written = notes.post("/v2/notes", json={"text": text})
    found = notes.get("/v2/notes", query_string={"text": text})
    copies = notes.get("/v2/notes/aé注\U0001f680/%25/copies")

    assert written.json == found.json == copies.json == {"text": text}
