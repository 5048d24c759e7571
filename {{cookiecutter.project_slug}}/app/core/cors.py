"""Which other origins' pages may read the API's answers: those named in CORS_ORIGINS, or none.

The API takes no cookies, so credentials are never allowed: a page has to hold a token of its own.
"""

import re
from typing import Annotated

from flask import Flask
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_settings import NoDecode

from app.core import pipeline
from app.core.config import CoreSettings, Environment, split
from app.core.pipeline import Exchange

# RFC 6454: scheme, host and port, exactly as a browser spells them.
ORIGIN = re.compile(r"(?P<scheme>https?)://(?:[a-z0-9-]+\.)*[a-z0-9-]+(?::[0-9]{1,5})?")
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
# What a page may send and read beyond the few names that the Fetch standard always lets through.
SENT = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID"
READ = "ETag, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-ID"
AN_HOUR = "3600"  # seconds that a browser keeps the answer to its question


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
    """What cross-origin requests can be told."""

    cors_origins: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(split), AfterValidator(_origins)
    ] = Field(default=())


class Cors:
    """Tells browsers which pages may read an answer (Fetch standard, CORS protocol)."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        """Take the origins of those pages."""
        self._origins = frozenset(origins)

    def began(self, exchange: Exchange) -> None:
        """Add the headers; a question before the request (preflight) is one to OPTIONS."""
        headers = exchange.response_headers
        headers.append(("Vary", "Origin"))
        origin = exchange.environ.get("HTTP_ORIGIN", "")
        if origin not in self._origins or not (exchange.route or "").startswith("/api/"):
            return
        headers += [
            ("Access-Control-Allow-Origin", origin),
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


def init_app(app: Flask, settings: CorsSettings) -> None:
    """Let the pages of other origins in, if any are named."""
    if settings.cors_origins:
        pipeline.of(app).observers.append(Cors(settings.cors_origins))
