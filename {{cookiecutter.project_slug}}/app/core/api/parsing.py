"""Strict parsing of a request's arguments: nothing that a client sends is silently ignored."""

import json
from typing import Any, NoReturn

import marshmallow as ma
import orjson
from flask import Request
from webargs.core import missing
from webargs.flaskparser import FlaskParser, abort
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, UnsupportedMediaType

from app.core.http import text

MAXIMUM_DEPTH = 32  # nested arrays and objects in a body
TWICE = "Was sent more than once."


class RepeatedName(ValueError):  # noqa: N818  a property of a body
    """A JSON object has two members with the same name."""


class Parser(FlaskParser):
    """Parses arguments strictly: nothing that a client sends is silently ignored.

    It rejects unknown and repeated query parameters, members with the same name, and other media
    types.
    """

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012  webargs declares it so
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": ma.RAISE,
    }

    def load_json(self, req: Request, schema: ma.Schema) -> Any:  # noqa: ANN401, ARG002
        """Parse the body; another media type is a 415, not an empty body."""
        body = raw_body(req)
        if not body:
            return missing
        if not _is_plain_json(req):
            raise UnsupportedMediaType
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            _refuse_body("The body is not valid JSON.")
        if body.count(b"[") + body.count(b"{") > MAXIMUM_DEPTH and _is_deep(value):
            _refuse_body(f"The body is nested deeper than {MAXIMUM_DEPTH} levels.")
        try:
            # orjson keeps the last of two members with the same name. A proxy that checks bodies
            # may keep the first, so these objects are rejected (RFC 7493, 2.3).
            json.loads(body, object_pairs_hook=_once, parse_int=str, parse_float=str)
        except RepeatedName:
            _refuse_body("An object in the body has two members with the same name.")
        # JSON has no other form for NUL (RFC 8259, 7), so most bodies need not be traversed.
        if rb"\u0000" in body and (wrong := text.nul_errors(value)):
            abort(422, messages={"json": wrong})
        return value

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:  # noqa: ANN401
        """Read the query; only parameters that are lists may be repeated.

        Raises:
            ValidationError: names the other parameters that are repeated.

        """
        repeated = {name for name, values in req.args.lists() if len(values) > 1}
        # Unknown parameters are rejected as unknown, without their names.
        found = sorted(repeated & _single(schema)) if repeated else []
        if found:
            raise ma.ValidationError({name: [TWICE] for name in found})
        return super().load_querystring(req, schema)


def _single(schema: ma.Schema) -> set[str]:
    """Return the names of fields that take a single value."""
    return {
        field.data_key or name
        for name, field in schema.fields.items()
        if not isinstance(field, ma.fields.List | ma.fields.Tuple)
    }


def _once(members: list[tuple[str, object]]) -> None:
    if len(dict(members)) < len(members):
        raise RepeatedName


def _is_plain_json(request: Request) -> bool:
    """Return whether the body is declared as JSON in UTF-8 (RFC 8259, 8.1), not compressed."""
    return (
        request.mimetype == "application/json"
        and request.mimetype_params.get("charset", "utf-8").lower() in {"utf-8", "utf8"}
        and request.headers.get("Content-Encoding", "identity").lower() == "identity"
    )


def _is_deep(value: object) -> bool:
    """Return whether a value is nested too deeply for code that recurses through it later."""
    level = [value]
    for _ in range(MAXIMUM_DEPTH):
        level = [
            below
            for each in level
            if isinstance(each, dict | list)
            for below in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, dict | list) for each in level)


def raw_body(request: Request) -> bytes:
    """Return the body, unchanged.

    Raises:
        ClientDisconnected: when the client does not send all of it.
        RequestEntityTooLarge: also for a chunked body, which werkzeug truncates at the limit.

    """
    body = request.get_data()
    if len(body) == request.max_content_length and _has_more(request):
        raise RequestEntityTooLarge
    return body


def _has_more(request: Request) -> bool:
    try:
        return bool(request.environ["wsgi.input"].read(1))
    except OSError:
        raise ClientDisconnected from None


def _refuse_body(sentence: str) -> NoReturn:
    abort(400, messages={"json": [sentence]})
