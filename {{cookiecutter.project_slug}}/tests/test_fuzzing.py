"""The service against its own API document: generated requests, valid and invalid ones.

The document promises statuses, headers and schemas; a failure here is a broken promise. The requests
are the same in every run.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
import schemathesis
from flask import Flask, Response
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import just
from marshmallow import fields
from schemathesis import Case, CheckContext, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
from werkzeug.test import run_wsgi_app

from app.core.api import Blueprint, json_response
from app.core.schemas import Schema
from conftest import (  # one line where it fits
    MakeApp,
    # {% if cookiecutter.auth != "none" %}
    authorization,
    # {% endif %}
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from schemathesis.core.result import Ok

# Threads of the service use `random` (for a Message-ID) while a request is generated.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
EXAMPLES = 5  # for each operation and client: this many valid requests, and as many invalid ones


class ToySchema(Schema):
    count = fields.Integer(required=True)


def status_is_listed(
    _context: CheckContext, response: schemathesis.Response, case: Case[Any]
) -> None:
    """Fail for a status that is documented as "any other problem" alone."""
    listed = case.operation.definition.raw["responses"]
    assert str(response.status_code) in listed, f"{response.status_code} is not documented"


CHECKS = [
    not_a_server_error,
    status_is_listed,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SETTINGS = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[*HealthCheck],
)


def closing(app: Flask) -> "WSGIApplication":
    """Close each response, as servers do and Schemathesis does not."""

    def serve(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body, status, headers = run_wsgi_app(app, environ, buffered=True)
        start_response(status, list(headers))
        return body

    return serve


def send(case: Case[Any], authorization: str) -> None:
    """Send one request, and validate its response against the document."""
    case.call_and_validate(headers={"Authorization": authorization}, checks=CHECKS)


def fuzz(app: Flask, subtests: pytest.Subtests, below: str = "/") -> None:
    """Send requests to each operation below a path, as each kind of client."""
    principals = {
        "nobody": "",
        # {% if cookiecutter.auth != "none" %}
        "a user": authorization(app),
        "an administrator": authorization(app, "admin"),
        # {% endif %}
    }
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", closing(app))
    found = (cast("Ok[Any]", each).ok() for each in schema.get_all_operations())
    for operation in (each for each in found if each.path.startswith(below)):
        for principal, header in principals.items():
            for mode in GenerationMode:
                requests = operation.as_strategy(generation_mode=mode)
                with (
                    subtests.test(f"{principal}, {mode.value}: {operation.label}"),
                    unless_none(operation, mode),
                ):
                    SETTINGS(given(case=requests, authorization=just(header))(send))()


@contextmanager
def unless_none(operation: Any, mode: GenerationMode) -> Iterator[None]:  # noqa: ANN401  generic in what it is sent with
    """Ignore that no invalid request can be generated: an operation without a body may have none."""
    try:
        yield
    except Unsatisfiable:
        if mode is not GenerationMode.NEGATIVE or "requestBody" in operation.definition.raw:
            raise


@pytest.mark.slow
@pytest.mark.attack
def test_no_request_breaks_a_promise_of_the_document(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    fuzz(make_app(), subtests)


@pytest.mark.slow
def test_an_operation_without_any_bad_request_is_no_failure(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    app = make_app()
    blueprint = Blueprint("toys", __name__, description="Nothing that could be sent wrongly")

    @blueprint.route("", methods=["GET"])
    @blueprint.response(200, ToySchema)
    def count_toys() -> Response:
        """Count the toys."""
        return json_response({"count": 0})

    @blueprint.route("/<name>", methods=["GET"])
    @blueprint.response(200, ToySchema)
    def get_toy(name: str) -> Response:
        """Return a toy."""
        return json_response({"count": len(name)})

    app.register_blueprint(blueprint, url_prefix="/toys")
    fuzz(app, subtests, "/toys")
