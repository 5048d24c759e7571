"""Conditional requests (RFC 9110, 13).

A representation that the client already has is not sent again, and a change can be restricted to
the version that the client has seen.
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

# Proxies that compress append the content coding to an ETag: "1-gzip" (Apache), "1--gzip" (Jetty).
CODING = re.compile(r'(?:--?|;)(?:gzip|deflate|br|zstd)(?=")')


@dataclass(frozen=True, slots=True)
class Representation:
    """The representation of a resource (RFC 9110, 3.2) as JSON, and its version."""

    version: int
    json: bytes


class PreconditionFailed(Problem):
    """The resource has changed since the client read it."""

    status = 412
    code = "precondition_failed"
    detail = DETAILS[412]


class WeakETag(PreconditionFailed):
    """The client has the current version, but an intermediary made its ETag weak."""

    code = "weak_etag"
    detail = (
        "If-Match takes strong ETags only (RFC 9110, 13.1.1), and this one is weak: a proxy that "
        "compresses responses has changed it. Send it without W/, and report it to the operator of the proxy."
    )


class ReadConditions(Schema):
    """The header of a client that already has a representation."""

    if_none_match = fields.String(
        data_key="If-None-Match",
        metadata={
            "description": "The ETag of a stored response; if it is still current, the response is 304"
        },
    )


class ChangeConditions(Schema):
    """The header of a client that changes only the version it has seen."""

    if_match = fields.String(
        data_key="If-Match",
        metadata={
            "description": "The ETag of the version to change; if it is not current, the response is 412"
        },
    )


ETAG = {"ETag": {"description": "Names this version", "schema": {"type": "string"}}}


def versioned(response: Response, version: int) -> Response:
    """Set the ETag of this version; the client may store the response, but must revalidate it.

    Intermediaries must not compress it: its ETag would become weak (RFC 9110, 8.8.3), and no
    If-Match could hold. `no-transform` forbids it (RFC 9110, 7.7). nginx ignores that, but does not
    compress a response with a Content-Encoding; `identity` means none. Apache ignores both (see
    CODING).
    """
    response.set_etag(str(version))
    response.headers["Cache-Control"] = "private, no-cache, no-transform"
    response.headers["Content-Encoding"] = "identity"
    return response


def respond_conditionally(representation: Representation) -> Response:
    """Return the representation, or 304 if the client already has this version.

    Raises:
        PreconditionFailed: when If-Match does not hold.

    """
    if not if_match_holds(representation.version):
        raise PreconditionFailed
    response = versioned(
        Response(representation.json, mimetype="application/json"), representation.version
    )
    if _tags("If-None-Match").contains_weak(str(representation.version)):
        response.status_code = HTTPStatus.NOT_MODIFIED
        response.set_data(b"")
        for name in ("Content-Type", "Content-Encoding"):
            del response.headers[name]
    return response


def if_match_holds(version: int) -> bool:
    """Return whether If-Match names this version or is absent.

    Only a strong ETag matches (RFC 9110, 13.1.1); a malformed one matches nothing.

    Raises:
        WeakETag: when If-Match names this version by a weak ETag.

    """
    seen = _tags("If-Match")
    if "If-Match" not in request.headers or seen.contains(str(version)):
        return True
    if seen.is_weak(str(version)):
        raise WeakETag
    return False


def _tags(header: str) -> ETags:
    """Return the ETags in a header, without content codings that proxies have appended.

    A strong ETag with a content coding names the same version, which the client has seen.
    """
    return parse_etags(CODING.sub("", request.headers.get(header, "")))
