"""The service against its own API document: requests made up from it, good ones and bad ones.

The document promises statuses, headers and schemas; what is found here is a promise not kept. The
requests are the same in every run.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import just
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
from werkzeug.test import run_wsgi_app

from conftest import (
    MakeApp,
    # {% if cookiecutter.auth != "none" %}
    authorization,
    # {% endif %}
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from schemathesis.core.result import Ok

EXAMPLES = 5  # for each operation and caller, good ones and as many bad ones


def status_is_listed(_context: CheckContext, response: Response, case: Case[Any]) -> None:
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
    """Close each answer, as servers do and Schemathesis does not."""

    def serve(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body, status, headers = run_wsgi_app(app, environ, buffered=True)
        start_response(status, list(headers))
        return body

    return serve


def send(case: Case[Any], authorization: str) -> None:
    """Send one request, and hold its answer to the document."""
    case.call_and_validate(headers={"Authorization": authorization}, checks=CHECKS)


@pytest.mark.slow
@pytest.mark.attack
def test_no_request_breaks_a_promise_of_the_document(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    app = make_app()
    callers = {
        "nobody": "",
        # {% if cookiecutter.auth != "none" %}
        "a user": authorization(app),
        "an administrator": authorization(app, "admin"),
        # {% endif %}
    }
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", closing(app))
    for operation in (cast("Ok[Any]", found).ok() for found in schema.get_all_operations()):
        for caller, header in callers.items():
            for mode in GenerationMode:
                requests = operation.as_strategy(generation_mode=mode)
                with subtests.test(f"{caller}, {mode.value}: {operation.label}"):
                    SETTINGS(given(case=requests, authorization=just(header))(send))()
