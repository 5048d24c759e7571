"""CORS: the other origins whose pages may use the API, from CORS_ORIGINS; by default none.

The API uses no cookies, so credentials are never allowed: a page needs a token of its own. Browsers
ask before they let a page read a response or send JSON, but not before a form or a POST without a
body, so requests with unsafe methods are checked here.
"""

import re
from typing import Annotated

from flask import Flask, request
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_settings import NoDecode

from app.core import pipeline
from app.core.config import CoreSettings, Environment, split
from app.core.errors import Problem
from app.core.http import api_paths
from app.core.pipeline import RequestInfo, request_pipeline

# RFC 6454: scheme, host and port, exactly as a browser spells them.
ORIGIN = re.compile(r"(?P<scheme>https?)://(?:[a-z0-9-]+\.)*[a-z0-9-]+(?::[0-9]{1,5})?")
ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
# Headers that a page may send and read, in addition to those that the Fetch standard always allows.
ALLOWED_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID"
)
EXPOSED_HEADERS = "ETag, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-ID"
PREFLIGHT_MAX_AGE = "3600"  # seconds that a browser caches the response to a preflight request
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Values of Sec-Fetch-Site: a page of this origin, or no page, such as a bookmark.
NOT_CROSS_ORIGIN = frozenset({"same-origin", "none"})


def _origins(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    in_production = info.data.get("app_env") is Environment.PRODUCTION
    for origin in value:
        found = ORIGIN.fullmatch(origin)
        if not found or (in_production and found["scheme"] == "http"):
            message = (
                "must be origins such as https://shop.example, with no path; * and null are "
                "not allowed, and production requires https"
            )
            raise ValueError(message)
    return value


class CorsSettings(CoreSettings):
    """Cross-origin requests."""

    cors_origins: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(split), AfterValidator(_origins)
    ] = Field(default=())
    """The origins whose pages may call the API from a browser, such as https://shop.example,
    separated by commas."""


class CrossOriginRequest(Problem):
    """A page of another origin has sent a request with an unsafe method."""

    status = 403
    code = "cross_origin_request"
    detail = "The request was sent by a page of another site."


class Cors:
    """Adds the headers of the CORS protocol (Fetch standard) for pages of these origins."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origins)

    def add_headers(self, info: RequestInfo) -> None:
        """Add the headers; an OPTIONS request is taken for a preflight."""
        headers = info.response_headers
        headers.append(("Vary", "Origin"))
        if not self._is_allowed(info):
            return
        headers += [
            ("Access-Control-Allow-Origin", info.environ["HTTP_ORIGIN"]),
            ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
        ]
        if info.method == "OPTIONS":
            headers += [
                ("Access-Control-Allow-Methods", ALLOWED_METHODS),
                ("Access-Control-Allow-Headers", ALLOWED_HEADERS),
                ("Access-Control-Max-Age", PREFLIGHT_MAX_AGE),
            ]

    def refuse_cross_origin_requests(self) -> None:
        """Check every request with an unsafe method (a before_request function).

        Raises:
            CrossOriginRequest: when a page of another origin, which is not listed, has sent it.

        """
        info = pipeline.current()
        if info.method not in SAFE_METHODS and _is_cross_origin() and not self._is_allowed(info):
            raise CrossOriginRequest

    def _is_allowed(self, info: RequestInfo) -> bool:
        origin = info.environ.get("HTTP_ORIGIN", "")
        # By the path, not the route: a page may also read a 404 or 405 of the API.
        return origin in self._origins and api_paths.in_api(info.environ["PATH_INFO"])


def _is_cross_origin() -> bool:
    """Return whether a browser states another origin, in headers that no page can set.

    Other clients send neither header. Fetch metadata (W3C) is correct behind any proxy, but
    browsers send it only over HTTPS and to localhost. Otherwise the host of Origin (RFC 6454) is
    compared; not the scheme, because TLS may end at a proxy.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in NOT_CROSS_ORIGIN
    origin = request.headers.get("Origin")
    return origin is not None and not origin.endswith(f"://{request.host}")


def init_app(app: Flask, settings: CorsSettings) -> None:
    """Allow pages of the configured origins, and refuse unsafe requests from all others."""
    cors = Cors(settings.cors_origins)
    if settings.cors_origins:
        request_pipeline.of(app).on_start.append(cors.add_headers)
    app.before_request(cors.refuse_cross_origin_requests)
