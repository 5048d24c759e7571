"""The API document and the service accept the same values, above all at boundaries.

For each body and each query, the tests generate a value that the document allows, and change it in
one place at a time. The service must accept each value that the document allows, and reject every
other value before it does anything.
"""

import re
from collections.abc import Iterator

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core import api
from conftest import (  # one line where it fits
    MakeApp,
    # {% if cookiecutter.auth != "none" %}
    authorization,
    # {% endif %}
)
from tests import (  # one line where it fits
    boundaries,
    # {% if cookiecutter.auth == "jwt" %}
    own_users,
    # {% endif %}
)
from tests.boundaries import Described, Node

SIGNED = re.compile("[A-Za-z0-9_-]{48}")


def is_refused(response: TestResponse) -> bool:
    """Return whether the service has rejected a value as invalid."""
    assert response.status_code < 500
    # {% if cookiecutter.auth == "jwt" %}
    if own_users.WRONG_LENGTH in response.text:
        return True
    # {% endif %}
    codes = {"bad_request", "unreadable_url", "validation_failed"}
    return response.status_code >= 400 and orjson.loads(response.data)["code"] in codes


def operations(found: Node) -> Iterator[tuple[str, str, Node]]:
    """Yield the operations that need no signature: method, URL and documentation."""
    for path, methods in found["paths"].items():
        url = path
        for parameter in methods.get("parameters", []):
            value = "1" if parameter["schema"]["type"] == "integer" else boundaries.NAMED["uuid"]
            url = url.replace("{" + parameter["name"] + "}", value)
        for method, operation in methods.items():
            if method != "parameters" and {"webhook": []} not in operation["security"]:
                yield method, url, operation


def principal(app: Flask) -> FlaskClient:
    """Return a client with every scope."""
    client = app.test_client()
    # {% if cookiecutter.auth != "none" %}
    client.environ_base["HTTP_AUTHORIZATION"] = authorization(app, "admin")
    # {% endif %}
    client.environ_base["HTTP_ACCEPT"] = "application/json"
    return client


# {% if cookiecutter.database != "none" %}
@pytest.mark.slow
def test_each_parameter_of_a_query_is_read_exactly_as_documented(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    app = make_app()
    client, found = principal(app), api.document(app)
    for method, url, operation in operations(found):
        for parameter in operation.get("parameters", []):
            if parameter["in"] != "query":
                continue
            described = Described(parameter["schema"], found["components"])
            with subtests.test(f"{operation['operationId']}: {parameter['name']}"):
                for value in described.changed():
                    if not isinstance(value, str | int | float) or isinstance(value, bool):
                        continue
                    allowed = described.validator.is_valid(in_query(value, parameter["schema"]))
                    query = {parameter["name"]: value}
                    response = client.open(url, method=method, query_string=query)
                    # The service also checks the signature of a cursor, which no schema describes.
                    signed = SIGNED.fullmatch(str(value))
                    assert signed or is_refused(response) != allowed, (value, response.text)


def in_query(value: float | str, schema: Node) -> object:
    """Return a value in a URL as the document describes it: an integer consists of digits."""
    text = str(value)
    digits = schema["type"] == "integer" and re.fullmatch("-?(0|[1-9][0-9]*)", text, re.ASCII)
    return int(text) if digits else text


# {% endif %}
@pytest.mark.slow
def test_each_body_is_read_exactly_as_documented(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    app = make_app()
    client, found = principal(app), api.document(app)
    for method, url, operation in operations(found):
        if "requestBody" not in operation:
            continue
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        described = Described(schema, found["components"])
        with subtests.test(operation["operationId"]):
            verdicts = set()
            for value in described.changed():
                allowed = described.validator.is_valid(value)
                verdicts.add(allowed)
                response = client.open(url, method=method, json=value)
                assert is_refused(response) != allowed, (value, response.text)
            assert verdicts == {True, False}
