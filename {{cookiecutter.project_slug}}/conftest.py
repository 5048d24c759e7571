"""Fixtures for all tests: applications, and a client that validates responses."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from app import create_app
from app.core import errors
from app.core.api import document
from app.core.config import secrets_manager
from app.core.http import api_paths
from app.core.observability.logs import JSONFormatter
from app.settings import Settings
from tests import (  # one line where it fits
    environments,
    # {% if cookiecutter.auth == "jwt" and cookiecutter.web_ui %}
    own_accounts,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    own_users,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    provider,
    # {% endif %}
    routes,
)

# Headers that clients may act on. A response with one of them must document it.
DOCUMENTED_HEADERS = [
    "ETag",
    "Location",
    "RateLimit-Limit",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
]


class Contract:
    """An OpenAPI document that responses are validated against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.validators: dict[str, jsonschema_rs.Draft202012Validator] = {}
        codes = document["components"]["schemas"].get("ProblemCode", {"enum": ()})
        self._codes = set(codes["enum"])

    def check(self, path: str, response: TestResponse) -> None:
        """Assert that the document describes a response."""
        method, status = response.request.method.lower(), str(response.status_code)
        assert path in self.document["paths"], f"{path} is not in the API document"
        # HEAD has the response of GET without the body (RFC 9110, 9.3.2).
        documented = self.document["paths"][path][method.replace("head", "get")]["responses"]
        # The default response covers 5xx. Every other status must be listed.
        assert status in documented or status >= "500", f"{method} {path} answered {status}"
        entry = documented.get(status, documented["default"])
        entry = self._resolved(entry)
        self._check_headers(entry.get("headers", {}), response, f"{method} {path} {status}")
        if method == "head" or status == "304" or "content" not in entry:
            assert response.data == b"", f"{method} {path} answered more than its status"
            return
        assert response.mimetype in entry["content"], f"{method} {path}: {response.mimetype}"
        self._validator(entry["content"][response.mimetype]["schema"]).validate(response.json)
        if response.mimetype == errors.MEDIA_TYPE and self._codes:
            code = body(response)["code"]
            assert code in self._codes, f"{method} {path}: {code} is not among the codes"

    def _check_headers(self, described: dict[str, Any], response: TestResponse, what: str) -> None:
        """Assert that required headers are sent, and that sent headers are documented."""
        required = {
            name for name, each in described.items() if self._resolved(each).get("required")
        }
        missing = {name for name in required if name not in response.headers}
        assert not missing, f"{what} lacks {missing}"
        undocumented = {
            name for name in DOCUMENTED_HEADERS if name in response.headers
        } - described.keys()
        assert not undocumented, f"{what} does not describe {undocumented}"

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        """Resolve a reference to a component."""
        if "$ref" not in node:
            return node
        _, kind, name = node["$ref"].rsplit("/", 2)
        found: dict[str, Any] = self.document["components"][kind][name]
        return found

    def _validator(self, schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
        key = str(schema)
        if key not in self.validators:
            whole = {**schema, "components": self.document["components"]}
            self.validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return self.validators[key]


def body(response: TestResponse) -> dict[str, Any]:
    """Return the JSON object of a response."""
    assert isinstance(response.json, dict)
    return response.json


contracts: dict[frozenset[str], Contract] = {}


class ContractClient(FlaskClient):
    """A client that validates each API response against the service's own OpenAPI document."""

    # {% if cookiecutter.auth != "none" %}
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Flask's signature
        """Send an ordinary user's token by default."""
        super().__init__(*args, **kwargs)
        self.environ_base["HTTP_AUTHORIZATION"] = authorization(self.application)

    # {% endif %}
    def open(self, *args: Any, **kwargs: Any) -> TestResponse:  # noqa: ANN401  Flask's signature
        """Send a request, read the whole response and validate it."""
        kwargs.setdefault("buffered", True)
        response = super().open(*args, **kwargs)
        request = response.request
        with contextlib.suppress(HTTPException):
            rule, _ = self.application.url_map.bind("localhost").match(
                request.path, request.method, return_rule=True
            )
            # Flask answers OPTIONS itself. Views added by a test have no blueprint.
            added = "." not in rule.endpoint and not api_paths.in_api(rule.rule)
            if routes.is_api(rule) and not added and request.method != "OPTIONS":
                self._contract().check(routes.documented_path(rule), response)
        return response

    def _contract(self) -> Contract:
        """Return the contract, cached for all applications with the same routes."""
        served = frozenset(map(str, self.application.url_map.iter_rules()))
        if served not in contracts:
            contracts[served] = Contract(document(self.application))
        return contracts[served]


# {% if cookiecutter.auth == "oidc" %}
authorization, user_id = provider.authorization, provider.user_id
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
authorization, user_id = own_users.authorization, own_users.user_id
# {% if cookiecutter.web_ui %}
store_account = own_accounts.store_account
# {% endif %}
# {% endif %}
MakeApp = Callable[..., Flask]
LogLines = list[dict[str, Any]]
# {% if cookiecutter.database != "none" %}
pytest_plugins = ["tests.database"]
# {% endif %}


def service_variables(names: Iterable[str]) -> set[str]:
    """Return the names of environment variables that would configure the tested service."""
    variables = {field.upper() for field in Settings.model_fields}
    variables |= {secrets_manager.SETTING, "FLASK_DEBUG", "ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"}
    return {
        name
        for name in names
        if name.upper().removesuffix("_FILE") in variables or name.startswith("OTEL_")
    }


@pytest.fixture(scope="session", autouse=True)
def _without_the_shells_settings() -> Iterator[None]:
    """Remove the shell's settings for a service, so that tests do not depend on them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in service_variables(list(os.environ)):
            patch.delenv(name)
        yield


# {% if cookiecutter.auth == "oidc" %}
@pytest.fixture(scope="session", autouse=True)
def openid_provider() -> Iterator[provider.OpenIDProvider]:
    """Start the OpenID provider that the applications of all tests trust."""
    with provider.OpenIDProvider() as running:
        environments.TESTING["oidc_issuer"] = running.realm(provider.KEY).issuer
        yield running


# {% endif %}
@pytest.fixture(scope="session")
def make_app() -> MakeApp:
    """Return a function that creates an application with the given settings."""

    def make(**values: object) -> Flask:
        app = create_app(Settings.model_validate({**environments.TESTING, **values}))
        app.test_client_class = ContractClient
        return app

    return make


@pytest.fixture
def production() -> dict[str, str]:
    """Return the minimum settings for production."""
    return environments.PRODUCTION.copy()


@pytest.fixture(scope="session")
def app(make_app: MakeApp) -> Flask:
    """Return an application as in production, without Flask's TESTING.

    All tests share it. A test that changes its application, or needs a fresh one, uses `make_app`.
    """
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a client of `app`."""
    return app.test_client()


@pytest.fixture
def log_lines() -> Iterator[LogLines]:
    """Collect the log lines written during the test, parsed."""
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
