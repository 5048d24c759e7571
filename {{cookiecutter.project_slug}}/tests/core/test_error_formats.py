"""A format of its own for all errors, in a domain that only this test has.

The client of the tests compares each response with the API document, so with the format's schema.
"""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from marshmallow import fields, validate

from app.core import errors, schemas
from app.core.api import Blueprint, document, json_response
from conftest import MakeApp

URL = "/drafts"
MEDIA_TYPE = "application/json"


class MessagesSchema(schemas.Schema):
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()), required=True)


class Messages(errors.ErrorFormat):
    """The messages of each field: `{"errors": {"title": ["…"]}}`."""

    media_type = MEDIA_TYPE
    schema = MessagesSchema

    def document(self, problem: Mapping[str, Any]) -> Mapping[str, object]:
        """Return the messages; those of no field are under `body`."""
        found: dict[str, list[str]] = {}
        for error in problem.get("errors", ()):
            field = error["pointer"].rpartition("/")[2].replace("#", "body")
            found.setdefault(field, []).append(error["detail"])
        return {"errors": found or {"body": [problem["detail"]]}}


class DraftSchema(schemas.Schema):
    title = fields.String(required=True, validate=validate.Length(1, 9))


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    errors.error_format.set(app, Messages())
    blueprint = Blueprint("drafts", __name__, description="Write drafts")

    @blueprint.route("", methods=["POST"])
    @blueprint.arguments(DraftSchema)
    @blueprint.response(200, DraftSchema)
    def check_draft(draft: dict[str, str]) -> Response:
        """Return the draft of the request."""
        return json_response(draft)

    @blueprint.route("/<int:number>", methods=["GET"])
    @blueprint.response(200, DraftSchema)
    @blueprint.problems(404, 409, 429)
    def get_draft(number: int) -> Response:
        """Fail, with one of several errors."""
        raise [errors.NotFound(), errors.TooManyRequests({"Retry-After": "7"}), KeyError()][number]

    app.register_blueprint(blueprint, url_prefix=URL)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "messages"),
    [
        ("GET", "/nowhere", {}, 404, {"body": [errors.DETAILS[404]]}),
        ("DELETE", URL, {}, 405, {"body": [errors.DETAILS[405]]}),
        ("POST", URL, {"data": "x" * 2_000_000}, 413, {"body": [errors.DETAILS[413]]}),
        ("POST", URL, {"data": "x"}, 415, {"body": [errors.DETAILS[415]]}),
        ("POST", URL, {"json": {}}, 422, {"title": ["Missing data for required field."]}),
        ("POST", URL, {"json": []}, 422, {"body": ["Invalid input type."]}),
        ("GET", f"{URL}/0", {}, 404, {"body": [errors.DETAILS[404]]}),
        ("GET", f"{URL}/1", {}, 429, {"body": [errors.DETAILS[429]]}),
        ("GET", f"{URL}/2", {}, 500, {"body": [errors.DETAILS[500]]}),
    ],
)
def test_every_error_has_the_format_of_the_service(
    client: FlaskClient,
    method: str,
    path: str,
    options: dict[str, Any],
    status: int,
    messages: dict[str, list[str]],
) -> None:
    response = client.open(path, method=method, **options)

    assert (response.status_code, response.mimetype) == (status, MEDIA_TYPE)
    assert response.json == {"errors": messages}


def test_headers_of_an_error_do_not_depend_on_its_format(client: FlaskClient) -> None:
    assert client.get(f"{URL}/1").headers["Retry-After"] == "7"


def test_the_document_describes_the_format_with_examples(app: Flask) -> None:
    components = document(app)["components"]

    assert {"Problem", "ProblemCode", "FieldError"}.isdisjoint(components["schemas"])
    for response in components["responses"].values():
        content = response["content"][MEDIA_TYPE]
        assert content["schema"] == {"$ref": "#/components/schemas/Messages"}
        schema = {**components["schemas"]["Messages"], "components": components}
        validator = jsonschema_rs.Draft202012Validator(schema)
        for example in content["examples"].values():
            validator.validate(example["value"])
