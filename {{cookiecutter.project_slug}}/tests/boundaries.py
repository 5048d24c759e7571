"""Generates values at the boundaries of the schemas in the API document."""

import random
import string
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import characters, from_regex

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
MOMENTS = [
    "2026-11-28T12:00:00.123456789+01:00",
    "2026-11-28t12:00:00z",
    "2026-11-28 12:00:00Z",
    "2026-11-28T12:00Z",
    "2026-11-28T12:00:00",
    "2026-11-28T12:00:00+0100",
    "20261128T120000Z",
    "2026-W48-6T12:00:00Z",
    "2026-02-30T12:00:00Z",
    "2026-11-28",
]
OTHER_TYPES: list[object] = [None, True, 1, 1.5, "text", [], {}]


class Described:
    """A schema of the document, with the components that it refers to."""

    def __init__(self, schema: Node, components: Node) -> None:
        self.schema, self.components = schema, components
        whole = {**schema, "components": components}
        self.validator = jsonschema_rs.Draft202012Validator(
            whole, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
        )

    def resolved(self, schema: Node) -> Node:
        """Resolve a reference to a component."""
        if "$ref" not in schema:
            return schema
        found: Node = self.components["schemas"][schema["$ref"].rpartition("/")[2]]
        return found

    def example(self, schema: Node) -> object:
        """Return a value that the schema allows."""
        schema = self.resolved(schema)
        match schema["type"]:
            case "object":
                properties = schema.get("properties", {})
                return {name: self.example(each) for name, each in properties.items()}
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
        """Yield the example, and copies of it that differ in one place."""
        whole = self.example(self.schema)
        yield whole
        yield from self._changed(self.schema, whole)

    def _changed(self, schema: Node, value: Any) -> Iterator[object]:  # noqa: ANN401  JSON
        """Yield other values for one place, valid and invalid."""
        schema = self.resolved(schema)
        yield from OTHER_TYPES
        match schema["type"]:
            case "object":
                yield {**value, "more": 1}
                for name, below in schema.get("properties", {}).items():
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
    """Return a string of this length that passes password rules and is the same in every run."""
    return "".join(random.Random(length).choices(LETTERS, k=length))  # noqa: S311  no secret


def texts(schema: Node, value: str) -> Iterator[str]:
    """Yield strings at and beyond the boundaries of a schema."""
    yield from ("", f"{value}\n", f" {value}", f"{value}\0", f"{value}é", value.upper())
    lengths = {schema[name] for name in ("minLength", "maxLength") if name in schema}
    yield from (text(near) for length in lengths for near in (length - 1, length, length + 1))
    yield from schema.get("enum", [])
    if schema.get("format") == "email":
        yield from EMAILS
    elif schema.get("format") == "date-time":
        yield from MOMENTS
    elif schema.get("format") == "uuid":
        bare = value.replace("-", "")
        yield from (bare, "{" + value + "}", f"urn:uuid:{value}", value[:-1])
    elif "pattern" in schema and "format" not in schema:
        yield from drawn(schema["pattern"])


def drawn(pattern: str) -> list[str]:
    """Generate strings from a pattern, the same ones in every run."""
    found: list[str] = []
    once = settings(
        max_examples=20,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    # Python's $ also matches before a final line break, which the service must refuse: test it too.

    @once
    @given(from_regex(pattern, alphabet=characters(codec="utf-8")))  # JSON has no lone surrogates
    def draw(text: str) -> None:
        found.append(text)

    draw()
    return found
