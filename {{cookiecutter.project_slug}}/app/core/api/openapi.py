"""The parts of the OpenAPI document that all operations share: headers, security and problems."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import marshmallow as ma

from app.core import errors

Node = dict[str, Any]

WITHOUT_NUL = r"^[^\x00]*$"
WIDE = 2**31  # the first number that does not fit in a signed 32-bit integer
REQUEST_ID = "8d78f5a25f2739f46112f4bc173e230b"  # in examples
FIELD_ERROR = {"in": "body", "pointer": "#/name", "detail": "Missing data for required field."}

HEADERS: dict[str, Node] = {
    "X-Request-ID": {
        "description": "Id of the request in the logs; a well-formed one in the request is used",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before a retry (RFC 9110, 10.2.3)",
        "schema": {"type": "integer", "minimum": 0},
    },
    # {% if cookiecutter.auth != "none" %}
    "WWW-Authenticate": {
        "description": "Why the access token is missing or rejected (RFC 6750, 3)",
        "schema": {"type": "string"},
    },
    # {% endif %}
    # {% if cookiecutter.rate_limiting %}
    "RateLimit-Limit": {
        "description": "Requests that the tightest limit allows in its window",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Remaining": {
        "description": "Remaining requests in the window",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Reset": {
        "description": "Seconds until the next window begins",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Policy": {
        "description": "The limit and its window in seconds",
        "schema": {"type": "string", "examples": ["300;w=60"]},
    },
    # {% endif %}
}
"""Headers that the core sends, as components of the document."""

EVERYWHERE = {
    "X-Request-ID",
    # {% if cookiecutter.rate_limiting %}
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
    # {% endif %}
}
BY_STATUS = {
    # {% if cookiecutter.auth != "none" %}
    "401": {"WWW-Authenticate"},
    "403": {"WWW-Authenticate"},
    # {% endif %}
    "429": {"Retry-After"},
    "503": {"Retry-After"},
    "default": {"Retry-After"},
}


def complete(document: Node, shape: errors.ErrorFormat) -> Node:
    """Add what all operations share to a document, and return the document.

    View functions do not state it, because it is the same for each of them. `shape` is the format
    of errors.
    """
    components = document["components"]
    components["headers"] = HEADERS
    for operation in operations(document):
        operation.setdefault("security", [])  # public, whatever the document's default
        for status, response in operation["responses"].items():
            if "$ref" not in response:
                response["headers"] = {**response.get("headers", {}), **_headers(status)}
    described = errors.codes()
    for name, response in components["responses"].items():
        status = str(HTTPStatus[name].value) if name in HTTPStatus.__members__ else "default"
        response["headers"] = _headers(status)
        [content] = response["content"].values()
        content["examples"] = dict(_examples(described, status, shape))
    schemas = components["schemas"]
    for name in {name_of(shape.schema), "FieldError"} & schemas.keys():  # clients send neither
        for each in schemas[name]["properties"].values():
            each.pop("pattern", None)
    if code := schemas[name_of(shape.schema)]["properties"].get("code"):
        schemas["ProblemCode"] = {
            "type": "string",
            "enum": sorted({code for each in described.values() for code in each}),
            "description": "The codes of this version; later versions may add more",
        }
        # Open on purpose: a client generated from this document must accept a new code.
        del code["type"]
        code["anyOf"] = [{"$ref": "#/components/schemas/ProblemCode"}, {"type": "string"}]
    return document


def name_of(schema: type[ma.Schema]) -> str:
    """Return the name of a schema in the document: `Note` for `NoteSchema`."""
    return schema.__name__.removesuffix("Schema")


# {% if cookiecutter.auth != "none" %}
def scheme_id(name: str) -> str:
    """Return the id of a further scheme of `Authorization`; `token` is the id of Bearer."""
    return f"{name.lower()}_scheme"


def accept_schemes(document: Node, scheme_ids: Mapping[str, str]) -> None:
    """Add schemes, by their ids, as alternatives to each operation that accepts a token."""
    for operation in operations(document):
        accepted = operation.get("security", [])
        tokens = [each["token"] for each in accepted if "token" in each]
        accepted += [{name: scopes} for name in scheme_ids for scopes in tokens]


# {% endif %}
def operations(document: Mapping[str, Any]) -> Iterator[Node]:
    """Yield each operation of a document."""
    for path in document["paths"].values():
        yield from (each for method, each in path.items() if method != "parameters")


def text_without_nul(_converter: object, field: ma.fields.Field[Any], ret: Node) -> Node:
    """Add a pattern without NUL to a text that has none, as requests must not contain NUL.

    The signature is that of apispec's attribute functions.
    """
    described = {"pattern", "enum"} & ret.keys() or ret.get("format", "password") != "password"
    return {"pattern": WITHOUT_NUL} if isinstance(field, ma.fields.String) and not described else {}


def wide_integer(_converter: object, field: ma.fields.Field[Any], ret: Node) -> Node:
    """Mark an integer that may need 64 bits: clients in Java, Go and C# assume 32 otherwise."""
    bounds = [ret.get(name, WIDE) for name in ("minimum", "maximum")]
    fits = all(-WIDE <= bound < WIDE for bound in bounds)
    return {"format": "int64"} if isinstance(field, ma.fields.Integer) and not fits else {}


def _headers(status: str) -> Node:
    names = EVERYWHERE | BY_STATUS.get(status, set())
    return {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS if name in names}


def _examples(
    described: Mapping[int, Mapping[str, str]], status: str, shape: errors.ErrorFormat
) -> Iterator[tuple[str, Node]]:
    """Yield an example for each code of a status; `default` covers server errors (500, 503)."""
    chosen = [int(status)] if status != "default" else [500, 503]
    for number in chosen:
        for code, detail in sorted(described[number].items()):
            value = errors.problem(number, code, detail, REQUEST_ID)
            if code == errors.VALIDATION_FAILED:
                value["errors"] = [FIELD_ERROR]
            yield code, {"summary": detail, "value": shape.document(value)}
