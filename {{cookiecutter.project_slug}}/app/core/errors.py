"""Every error response is a problem document (RFC 9457) without internal details.

`ErrorFormat` is the one place that decides about its shape and its media type.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, cast

import marshmallow as ma
import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from app.core import pipeline
from app.core.extension import Extension
from app.core.schemas import UNKNOWN_FIELD

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
VALIDATION_FAILED = "validation_failed"

# The meaning of each status, for clients and for the OpenAPI document.
DETAILS = {
    400: "The request could not be understood.",
    # {% if cookiecutter.auth != "none" %}
    401: "A valid access token is required: Authorization: Bearer <token>.",
    # {% endif %}
    403: "You are not allowed to do this.",
    404: "There is no resource at this URL.",
    405: "This URL does not support the method. The Allow header lists the supported ones.",
    409: "The request conflicts with the current state.",
    # {% if cookiecutter.database != "none" %}
    412: "The resource has changed since you read it. Read it again.",
    # {% endif %}
    413: "The request body is larger than this service accepts.",
    415: "Send the body as application/json, in UTF-8 and not compressed.",
    422: "Some values are invalid. `errors` lists each of them.",
    429: "Too many requests. Try again after the number of seconds in Retry-After.",
    500: "The service failed. Quote request_id when you report it.",
    503: "The service is temporarily unavailable. Try again shortly.",
}


class Problem(Exception):  # noqa: N818  a response to the client, not always an error
    """A problem response. Services raise it and need to know nothing of HTTP.

    A subclass stands for one situation. Its `detail` is fixed text, so that nothing of the
    request is repeated; its `code` is for programs to compare. `headers` are those that the
    status requires, and `members` are added to the document (RFC 9457, 3.2).
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    detail: ClassVar[str] = DETAILS[400]
    in_api: ClassVar[bool] = True
    """Whether the OpenAPI document lists it; False for problems of pages and probes only."""

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(self.detail)
        self.headers = dict(headers or {})
        self.members = dict(members or {})


class NotFound(Problem):
    """The resource does not exist, or not for this principal."""

    status = 404
    code = "not_found"
    detail = DETAILS[404]


class Conflict(Problem):
    """The request is valid, but conflicts with the current state."""

    status = 409
    code = "conflict"
    detail = DETAILS[409]


class Unprocessable(Problem):
    """The values are well formed, but cannot be processed."""

    status = 422
    code = "unprocessable_entity"
    detail = DETAILS[422]


class TooManyRequests(Problem):
    """The client has exceeded a rate limit."""

    status = 429
    code = "too_many_requests"
    detail = DETAILS[429]


class Unavailable(Problem):
    """A dependency that the request needs is temporarily unavailable."""

    status = 503
    code = "service_unavailable"
    detail = DETAILS[503]


def codes(*, pages: bool = False) -> dict[int, dict[str, str]]:
    """Return the `code` and `detail` of each problem that the API can answer, by status.

    They are those of the statuses themselves and of every subclass of `Problem` in the service; with
    `pages`, also of those that pages and probes alone answer.
    """
    found = {status: {code_of(status): detail} for status, detail in DETAILS.items()}
    for status in (400, 422):
        found[status][VALIDATION_FAILED] = DETAILS[status]
    for kind in _kinds(Problem):
        if (kind.in_api or pages) and kind.__module__.partition(".")[0] == __name__.partition(".")[
            0
        ]:
            found[kind.status].setdefault(kind.code, kind.detail)
    return found


def _kinds(kind: type[Problem]) -> Iterator[type[Problem]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


class FieldErrorSchema(ma.Schema):
    """One invalid value."""

    location = ma.fields.String(
        required=True,
        data_key="in",
        validate=ma.validate.OneOf(["body", "query", "headers", "path"]),
        metadata={"description": "The part of the request that holds the value"},
    )
    pointer = ma.fields.String(
        required=True, metadata={"description": "JSON pointer (RFC 6901) to the value"}
    )
    detail = ma.fields.String(required=True, metadata={"description": "Why the value is invalid"})


class ProblemSchema(ma.Schema):
    """A problem document (RFC 9457)."""

    class Meta:
        """Problems may carry members of their own (RFC 9457, 3.2)."""

        unknown = ma.INCLUDE

    type = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    code = ma.fields.String(
        required=True,
        metadata={
            "description": "Names the problem: compare this, not the text. Later versions may add codes."
        },
    )
    detail = ma.fields.String(required=True)
    request_id = ma.fields.String(
        required=True, metadata={"description": "Id of the request in the logs"}
    )
    errors = ma.fields.List(ma.fields.Nested(FieldErrorSchema))


class ErrorFormat:
    """The shape of all error responses: problem documents. A service may set one of its own."""

    media_type: ClassVar[str] = MEDIA_TYPE
    schema: ClassVar[type[ma.Schema]] = ProblemSchema
    """Describes the shape in the API document."""

    def document(self, problem: Mapping[str, Any]) -> Mapping[str, object]:
        """Return the body of a response. `problem` has the members of `ProblemSchema`."""
        return problem


error_format = Extension[ErrorFormat]("error_format")


class ErrorResponse(Response):
    """The response to an error, in the format of the application."""

    def __init__(self, problem: Mapping[str, Any], headers: Mapping[str, str] | None) -> None:
        shape = error_format.current
        body = orjson.dumps(shape.document(problem))
        super().__init__(body, problem["status"], headers, mimetype=shape.media_type)
        self.problem = problem
        """The problem, whatever its format."""


def init_app(app: Flask) -> None:
    """Answer every error with a problem document, whether TESTING is on or off."""
    error_format.set(app, ErrorFormat())
    app.config["PROPAGATE_EXCEPTIONS"] = False
    # A missing form field stays a plain 400 in debug mode too.
    app.config["TRAP_BAD_REQUEST_ERRORS"] = False
    app.register_error_handler(Problem, _from_problem)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _from_bug)


def _from_problem(problem: Problem) -> Response:
    return _document(problem.status, problem.code, problem.detail, problem.members, problem.headers)


def _from_http(error: HTTPException) -> Response | HTTPException:
    status = error.code or 500
    if status < HTTPStatus.BAD_REQUEST:
        return error  # a redirect
    # An exception's description may repeat what the client sent; the texts above never do.
    detail = DETAILS.get(status) or phrase(status)
    data: Mapping[str, Any] = getattr(error, "data", None) or {}
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    found = list(_field_errors(data.get("messages") or {}))
    code = VALIDATION_FAILED if found else code_of(status)
    return _document(status, code, detail, {"errors": found} if found else {}, headers)


def _from_bug(error: Exception) -> Response:
    pipeline.current().error = error
    logger.error("unhandled exception", exc_info=error)
    return _document(500, code_of(500), DETAILS[500])


def _document(
    status: int,
    code: str,
    detail: str,
    members: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    request_id = pipeline.current().request_id
    return ErrorResponse(problem(status, code, detail, request_id) | dict(members or {}), headers)


def problem(status: int, code: str, detail: str, request_id: str) -> dict[str, object]:
    """Return the members that every problem document has."""
    return {
        # With about:blank the title is the status phrase (RFC 9457, 4.2.1); `code` tells
        # problems apart.
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }


def phrase(status: int) -> str:
    """Return the status phrase: the title of a problem without a type of its own."""
    # Werkzeug's table, because Python's own changed some names in 3.13.
    return HTTP_STATUS_CODES.get(status, "Unknown Error")


def code_of(status: int) -> str:
    """Return the code of a problem that states no more than its status."""
    return re.sub(r"\W+", "_", phrase(status).lower())


def _field_errors(messages: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    places = {"json": "body", "view_args": "path"}
    for location, tree in messages.items():
        for pointer, detail in _leaves(tree, "#"):
            yield {"in": places.get(location, location), "pointer": pointer, "detail": detail}


def _leaves(tree: object, pointer: str) -> Iterator[tuple[str, str]]:
    """Flatten marshmallow's nested messages to (pointer, sentence) pairs."""
    if isinstance(tree, Mapping):
        for key, below in tree.items():
            # The name of an unknown field is client input, so the pointer names the object that
            # contains the field.
            unknown = isinstance(below, list) and below[0].startswith(UNKNOWN_FIELD)
            here = pointer if unknown or key == "_schema" else f"{pointer}/{key}"
            yield from _leaves(below, here)
        return
    for sentence in dict.fromkeys(cast("list[str]", tree)):
        yield pointer, sentence
