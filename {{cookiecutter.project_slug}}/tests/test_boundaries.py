"""The API document and the service agree about each value, at its boundaries above all.

For each body and each query a value is made that the document allows, and then changed in one place
at a time. What the document allows, the service has to read; what it does not, the service has to
refuse before it does anything.
"""

import random
import re
import string
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import characters, from_regex
from werkzeug.test import TestResponse

from app.core import (
    api,
    # {% if cookiecutter.auth == "jwt" %}
    passwords,
    # {% endif %}
)
from conftest import (
    MakeApp,
    # {% if cookiecutter.auth != "none" %}
    authorization,
    # {% endif %}
)

Node = dict[str, Any]

NAMED = {
    "date-time": "2026-11-28T12:00:00Z",
    "email": "ada@example.com",
    "uuid": "5f0c9a52-6a0e-4f57-9d3f-0c9f2b6f2a7e",
}
LETTERS = string.ascii_letters + string.digits
EMAILS = [
    "a@b",
    "a.b@c.example",
    "a..b@c.example",
    ".a@c.example",
    "a@c..example",
    "a@-c.example",
    "a@c.123",
    "=?utf-8?q?a?=@c.example",
    "a=b?c@c.example",
    "a b@c.example",
    "ä@c.example",
    "a@c.example\n",
    f"{'a' * 64}@c.example",
    f"{'a' * 65}@c.example",
    f"a@{'c' * 63}.example",
    f"a@{'c' * 64}.example",
    f"a@{'c.' * 125}d",
    f"a@{'c.' * 126}d",
]
SIGNED = re.compile("[A-Za-z0-9_-]{48}")
OTHER_TYPES: list[object] = [None, True, 1, 1.5, "text", [], {}]


class Described:
    """One schema of the document, with everything that it refers to."""

    def __init__(self, schema: Node, components: Node) -> None:
        self.schema, self.components = schema, components
        whole = {**schema, "components": components}
        self.validator = jsonschema_rs.Draft202012Validator(
            whole, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
        )

    def resolved(self, schema: Node) -> Node:
        if "$ref" not in schema:
            return schema
        found: Node = self.components["schemas"][schema["$ref"].rpartition("/")[2]]
        return found

    def example(self, schema: Node) -> object:
        """Return a value that the document allows."""
        schema = self.resolved(schema)
        match schema["type"]:
            case "object":
                return {name: self.example(each) for name, each in schema["properties"].items()}
            case "array":
                return [self.example(schema["items"])] * max(1, schema.get("minItems", 0))
            case "integer":
                return schema.get("example", schema["minimum"])
            case "string":
                named = NAMED.get(schema.get("format", ""))
                chosen = schema["enum"][0] if "enum" in schema else named
                return chosen or schema.get("example") or text(schema.get("minLength", 1))
        raise NotImplementedError(schema)

    def changed(self) -> Iterator[object]:
        """Yield the example, and what becomes of it when one place is changed."""
        whole = self.example(self.schema)
        yield whole
        yield from self._changed(self.schema, whole)

    def _changed(self, schema: Node, value: Any) -> Iterator[object]:  # noqa: ANN401  JSON
        """Yield other values for one place, good ones and bad ones."""
        schema = self.resolved(schema)
        yield from OTHER_TYPES
        match schema["type"]:
            case "object":
                yield {**value, "more": 1}
                for name, below in schema["properties"].items():
                    yield {each: kept for each, kept in value.items() if each != name}
                    for other in self._changed(below, value[name]):
                        yield {**value, name: other}
            case "array":
                for count in {0, schema.get("minItems", 0), schema.get("maxItems", 2)}:
                    yield from ([*value[:1]] * near for near in (count, count + 1))
                yield from ([other] for other in self._changed(schema["items"], value[0]))
            case "integer":
                least, most = schema["minimum"], schema["maximum"]
                yield from (least - 1, least, float(least), most, float(most), most + 1)
                yield from (least + 0.5, str(least), 2**53, 2**63, -(2**63), 1e300)
            case "string":
                yield from texts(schema, value)


def text(length: int) -> str:
    """Make a text of this length that is hard to guess; the same one in every run."""
    return "".join(random.Random(length).choices(LETTERS, k=length))  # noqa: S311  no secret


def texts(schema: Node, value: str) -> Iterator[str]:
    """Yield texts around what a schema allows."""
    yield from ("", f"{value}\n", f" {value}", f"{value}\0", f"{value}é", value.upper())
    lengths = {schema[name] for name in ("minLength", "maxLength") if name in schema}
    yield from (text(near) for length in lengths for near in (length - 1, length, length + 1))
    yield from schema.get("enum", [])
    if schema.get("format") == "email":
        yield from EMAILS
    elif schema.get("format") == "uuid":
        bare = value.replace("-", "")
        yield from (bare, "{" + value + "}", f"urn:uuid:{value}", value[:-1])
    elif "pattern" in schema and "format" not in schema:
        yield from drawn(schema["pattern"])


def drawn(pattern: str) -> list[str]:
    """Draw texts from a pattern; the same ones in every run."""
    found: list[str] = []
    once = settings(
        max_examples=20,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    # Python's $ lets a line break through, which is what the service must not do: drawn as well.

    @once
    @given(from_regex(pattern, alphabet=characters(codec="utf-8")))  # JSON has no lone surrogates
    def draw(text: str) -> None:
        found.append(text)

    draw()
    return found


def is_refused(answer: TestResponse) -> bool:
    """Tell whether the service says that it has not read a value."""
    assert answer.status_code < 500
    # {% if cookiecutter.auth == "jwt" %}
    if passwords.WRONG_LENGTH in answer.text:
        return True
    # {% endif %}
    codes = {"bad_request", "unreadable_url", "validation_failed"}
    return answer.status_code >= 400 and orjson.loads(answer.data)["code"] in codes


def operations(found: Node) -> Iterator[tuple[str, str, Node]]:
    """Yield what can be sent without a signature: its method, a URL and what is documented."""
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            if method != "parameters" and {"webhook": []} not in operation["security"]:
                yield method, re.sub(r"\{\w+\}", NAMED["uuid"], path), operation


def caller(app: Flask) -> FlaskClient:
    """Return a client of somebody who may do everything."""
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
    client, found = caller(app), api.document(app)
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
                    answer = client.open(url, method=method, query_string=query)
                    # What looks like a cursor is refused for its signature, which nothing describes.
                    signed = SIGNED.fullmatch(str(value))
                    assert signed or is_refused(answer) != allowed, (value, answer.text)


def in_query(value: float | str, schema: Node) -> object:
    """Return what a reader of the document takes a value in a URL for: an integer has digits alone."""
    text = str(value)
    digits = schema["type"] == "integer" and re.fullmatch("-?(0|[1-9][0-9]*)", text, re.ASCII)
    return int(text) if digits else text


# {% endif %}
@pytest.mark.slow
def test_each_body_is_read_exactly_as_documented(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    app = make_app()
    client, found = caller(app), api.document(app)
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
                answer = client.open(url, method=method, json=value)
                assert is_refused(answer) != allowed, (value, answer.text)
            assert verdicts == {True, False}
