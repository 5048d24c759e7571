"""Fixtures for every test: an application of its own, and a client that holds it to its contract."""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from app import create_app
from app.core.logs import JSONFormatter
from app.settings import Settings


class Contract:
    """An OpenAPI document, and what its responses must look like."""

    def __init__(self, text: bytes) -> None:
        """Take the document as it is served."""
        self.document = orjson.loads(text)
        self.validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def hold(self, path: str, response: TestResponse) -> None:
        """Fail for an answer that the document does not describe."""
        method, status = response.request.method.lower(), str(response.status_code)
        documented = self.document["paths"][path][method]["responses"]
        assert status in documented or status >= "400", f"{method} {path} answered {status}"
        answer = documented.get(status, documented["default"])
        if "$ref" in answer:
            answer = self.document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        assert response.mimetype in answer["content"], f"{method} {path}: {response.mimetype}"
        self._validator(answer["content"][response.mimetype]["schema"]).validate(response.json)

    def _validator(self, schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
        key = str(schema)
        if key not in self.validators:
            whole = {**schema, "components": self.document["components"]}
            self.validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return self.validators[key]


contract = cache(Contract)


class ContractClient(FlaskClient):
    """A client that checks each answer of the API against the service's own OpenAPI document."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:  # noqa: ANN401  Flask's signature
        """Send a request, read the whole answer and hold it to the document."""
        kwargs.setdefault("buffered", True)
        response = super().open(*args, **kwargs)
        request = response.request
        with contextlib.suppress(HTTPException):
            rule, _ = self.application.url_map.bind("localhost").match(
                request.path, request.method, return_rule=True
            )
            if rule.rule.startswith("/api/v1/"):
                path = re.sub(r"<(?:[^<>]*:)?([^<>]*)>", r"{\1}", rule.rule)
                contract(self._document()).hold(path, response)
        return response

    def _document(self) -> bytes:
        kept = self.application.extensions
        if "contract" not in kept:
            plain = FlaskClient(self.application, response_wrapper=self.response_wrapper)
            kept["contract"] = plain.get("/api/openapi.json", buffered=True).data
        document: bytes = kept["contract"]
        return document


MakeApp = Callable[..., Flask]
LogLines = list[dict[str, Any]]
# {% if cookiecutter.database != "none" %}
pytest_plugins = ["tests.database"]
# {% endif %}
# {% if cookiecutter.database == "postgresql" %}
EXAMPLE_URL = "postgresql://service:pass-word@127.0.0.1:1/service"
# {% endif %}
# {% if cookiecutter.database == "mysql" %}
EXAMPLE_URL = "mysql://service:pass-word@127.0.0.1:1/service"
# {% endif %}
# {% if cookiecutter.database == "sqlite" %}
EXAMPLE_URL = "sqlite:////var/lib/service/service.db"
# {% endif %}


@pytest.fixture(scope="session")
def make_app() -> MakeApp:
    """Make further applications, with settings of their own."""
    usual: dict[str, object] = {
        "app_env": "testing",
        # {% if cookiecutter.rate_limiting %}
        "rate_limit": "1000000/minute",  # all tests are one client
        # {% endif %}
    }

    def make(**values: object) -> Flask:
        app = create_app(Settings.model_validate({**usual, **values}))
        app.test_client_class = ContractClient
        return app

    return make


@pytest.fixture
def production() -> dict[str, str]:
    """Return the least that production must be told."""
    return {
        "app_env": "production",
        "secret_key": "0f2b6a41c98d7e35" * 4,
        # {% if cookiecutter.database != "none" %}
        "database_url": EXAMPLE_URL,
        # {% endif %}
    }


@pytest.fixture(scope="session")
def app(make_app: MakeApp) -> Flask:
    """Return an application as production runs it: TESTING stays off.

    All tests share it. One that changes its application, or counts on a fresh one, makes its own.
    """
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a client of `app`."""
    return app.test_client()


@pytest.fixture
def log_lines() -> Iterator[LogLines]:
    """Return the log lines written from here on, parsed; needs no particular log level."""
    lines: LogLines = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(orjson.loads(self.format(record)))

    handler = Collector()
    handler.setFormatter(JSONFormatter("service", "test"))
    root = logging.getLogger()
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)
