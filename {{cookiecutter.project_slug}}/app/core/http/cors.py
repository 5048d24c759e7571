"""Which other origins' pages may use the API: those named in CORS_ORIGINS, or none.

The API takes no cookies, so credentials are never allowed: a page has to hold a token of its own.
Browsers ask before they let a page read an answer or send JSON, and not before a form or a POST
without a body; so what may change something is looked at here.
"""

import re
from typing import Annotated

from flask import Flask, request
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_settings import NoDecode

from app.core import pipeline
from app.core.config import CoreSettings, Environment, split
from app.core.errors import Problem
from app.core.pipeline import Exchange

# RFC 6454: scheme, host and port, exactly as a browser spells them.
ORIGIN = re.compile(r"(?P<scheme>https?)://(?:[a-z0-9-]+\.)*[a-z0-9-]+(?::[0-9]{1,5})?")
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
# What a page may send and read beyond the few names that the Fetch standard always lets through.
SENT = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID"
READ = "ETag, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-ID"
AN_HOUR = "3600"  # seconds that a browser keeps the answer to its question
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Sec-Fetch-Site: a page of this very origin, or no page, such as a bookmark.
OWN = frozenset({"same-origin", "none"})


def _origins(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    in_production = info.data.get("app_env") is Environment.PRODUCTION
    for origin in value:
        found = ORIGIN.fullmatch(origin)
        if not found or (in_production and found["scheme"] == "http"):
            message = (
                "must be origins such as https://shop.example, without a path and spelled out: "
                "neither * nor null, and https in production"
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


class ForeignPage(Problem):
    """A page of another origin has sent what may change something."""

    status = 403
    code = "foreign_page"
    detail = "This request was sent by a page of another site."


class Cors:
    """Tells browsers which pages may read an answer (Fetch standard, CORS protocol)."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        """Take the origins of those pages."""
        self._origins = frozenset(origins)

    def began(self, exchange: Exchange) -> None:
        """Add the headers; a question before the request (preflight) is one to OPTIONS."""
        headers = exchange.response_headers
        headers.append(("Vary", "Origin"))
        if not self._lets_in(exchange):
            return
        headers += [
            ("Access-Control-Allow-Origin", exchange.environ["HTTP_ORIGIN"]),
            ("Access-Control-Expose-Headers", READ),
        ]
        if exchange.method == "OPTIONS":
            headers += [
                ("Access-Control-Allow-Methods", METHODS),
                ("Access-Control-Allow-Headers", SENT),
                ("Access-Control-Max-Age", AN_HOUR),
            ]

    def finished(self, exchange: Exchange) -> None:
        """Do nothing: the headers are sent."""

    def refuse_foreign_pages(self) -> None:
        """Look at every request that may change something (a before_request function).

        Raises:
            ForeignPage: when a browser says that a page of another origin, not listed, has sent it.

        """
        exchange = pipeline.of_request()
        if exchange.method not in SAFE_METHODS and _is_foreign() and not self._lets_in(exchange):
            raise ForeignPage

    def _lets_in(self, exchange: Exchange) -> bool:
        origin = exchange.environ.get("HTTP_ORIGIN", "")
        # By the path: a page may also read that a URL of the API, or its method, does not exist.
        return origin in self._origins and exchange.environ["PATH_INFO"].startswith("/api/")


def _is_foreign() -> bool:
    """Tell whether a browser says so, in headers that no page can write; other clients send neither.

    Fetch metadata (W3C) is right behind any proxy. Browsers send it to HTTPS and to this machine
    alone, so otherwise Origin (RFC 6454) is compared, and only its host: the scheme may end at a
    proxy.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in OWN
    origin = request.headers.get("Origin")
    return origin is not None and not origin.endswith(f"://{request.host}")


def init_app(app: Flask, settings: CorsSettings) -> None:
    """Let the pages of other origins in, if any are named, and refuse those of all others."""
    cors = Cors(settings.cors_origins)
    if settings.cors_origins:
        pipeline.of(app).observers.append(cors)
    app.before_request(cors.refuse_foreign_pages)
