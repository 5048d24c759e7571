"""Conditional requests (RFC 9110, 13).

What a client holds already is not sent again, and a change can be bound to what was seen.
"""

from dataclasses import dataclass
from http import HTTPStatus

from flask import Response, request
from marshmallow import fields

from app.core.errors import DETAILS, Problem
from app.core.schemas import Schema


@dataclass(frozen=True, slots=True)
class Representation:
    """What is shown of something (RFC 9110, 3.2), as JSON, and the version that it shows."""

    version: int
    json: bytes


class PreconditionFailed(Problem):
    """Somebody has changed it since the client looked."""

    status = 412
    code = "precondition_failed"
    detail = DETAILS[412]


class ReadConditions(Schema):
    """The header of a client that holds an answer already."""

    if_none_match = fields.String(
        data_key="If-None-Match",
        metadata={"description": "An ETag you hold: answers 304 while it is the present one"},
    )


class ChangeConditions(Schema):
    """The header of a client that wants to change exactly what it has seen."""

    if_match = fields.String(
        data_key="If-Match",
        metadata={"description": "The ETag you saw: answers 412 when there is another by now"},
    )


ETAG = {"ETag": {"description": "Names this version", "schema": {"type": "string"}}}


def versioned(response: Response, version: int) -> Response:
    """Name the version that a response shows; its caller may keep it, but must ask again."""
    response.set_etag(str(version))
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def unless_held(shown: Representation) -> Response:
    """Answer with what is shown, or with its version alone if the caller holds that already.

    Raises:
        PreconditionFailed: when the caller asks for another version.

    """
    if not is_expected(shown.version):
        raise PreconditionFailed
    response = versioned(Response(shown.json, mimetype="application/json"), shown.version)
    if request.if_none_match.contains_weak(str(shown.version)):
        response.status_code = HTTPStatus.NOT_MODIFIED
        response.set_data(b"")
        del response.headers["Content-Type"]
    return response


def is_expected(version: int) -> bool:
    """Tell whether the caller, if it said what it has seen, has seen this version.

    Only a strong ETag counts (RFC 9110, 13.1.1); what is not well formed fits nothing.
    """
    return "If-Match" not in request.headers or request.if_match.contains(str(version))
