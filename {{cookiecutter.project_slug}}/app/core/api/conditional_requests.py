"""Conditional requests (RFC 9110, 13).

What a client holds already is not sent again, and a change can be bound to what was seen.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus

from flask import Response, request
from marshmallow import fields
from werkzeug.datastructures import ETags
from werkzeug.http import parse_etags

from app.core.errors import DETAILS, Problem
from app.core.schemas import Schema

# Proxies that compress name the content coding in a tag: "1-gzip" (Apache), "1--gzip" (Jetty).
CODING = re.compile(r'(?:--?|;)(?:gzip|deflate|br|zstd)(?=")')


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


class WeakETag(PreconditionFailed):
    """What the client holds is the present version, by a tag that something on the way made weak."""

    code = "weak_etag"
    detail = (
        "If-Match takes strong ETags only (RFC 9110, 13.1.1), and this one is weak: a proxy that "
        "compresses answers has changed it. Send it without W/, and tell who runs the proxy."
    )


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
    """Name the version that a response shows; its caller may keep it, but must ask again.

    Nothing on the way may compress it: its ETag would become a weak one (RFC 9110, 8.8.3), and no
    If-Match could ever hold. `no-transform` says so (RFC 9110, 7.7). nginx does not know it, and leaves
    alone what has a Content-Encoding; `identity` means none. Apache knows neither (see CODING).
    """
    response.set_etag(str(version))
    response.headers["Cache-Control"] = "private, no-cache, no-transform"
    response.headers["Content-Encoding"] = "identity"
    return response


def respond_conditionally(shown: Representation) -> Response:
    """Answer with what is shown, or with its version alone if the caller holds that already.

    Raises:
        PreconditionFailed: when the caller asks for another version.

    """
    if not if_match_holds(shown.version):
        raise PreconditionFailed
    response = versioned(Response(shown.json, mimetype="application/json"), shown.version)
    if _tags("If-None-Match").contains_weak(str(shown.version)):
        response.status_code = HTTPStatus.NOT_MODIFIED
        response.set_data(b"")
        for name in ("Content-Type", "Content-Encoding"):
            del response.headers[name]
    return response


def if_match_holds(version: int) -> bool:
    """Tell whether the caller, if it said what it has seen, has seen this version.

    Only a strong ETag counts (RFC 9110, 13.1.1); what is not well formed fits nothing.

    Raises:
        WeakETag: when the caller has seen it, and holds its ETag as a weak one.

    """
    seen = _tags("If-Match")
    if "If-Match" not in request.headers or seen.contains(str(version)):
        return True
    if seen.is_weak(str(version)):
        raise WeakETag
    return False


def _tags(header: str) -> ETags:
    """Read the ETags in a header, as this service wrote them.

    A tag with a content coding is a strong one of the same version: whoever holds it has seen that.
    """
    return parse_etags(CODING.sub("", request.headers.get(header, "")))
