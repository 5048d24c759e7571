"""Security headers, cookie flags, and limits on requests that apply to all routes."""

from functools import partial
from typing import NoReturn

import flask
from flask import Flask, request
from pydantic import Field, ValidationInfo, field_validator
from werkzeug.exceptions import SecurityError, UnsupportedMediaType
from werkzeug.formparser import FormDataParser
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from app.core import client_address, pipeline
from app.core.config import CoreSettings
from app.core.http import text
from app.core.pipeline import request_pipeline

# Directives that every policy states: `default-src` does not cover `base-uri`, and OWASP ASVS 5.0
# (3.4.3) requires `base-uri` and `object-src`.
POLICY = "base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
# The headers of the OWASP Secure Headers Project, for responses that do not set them. An API loads
# nothing, so its policy allows nothing.
HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", f"default-src 'none'; {POLICY}"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("X-Permitted-Cross-Domain-Policies", "none"),
    # Responses are for one client; a view whose responses may be stored sets another value.
    ("Cache-Control", "no-store"),
]
A_YEAR = 31_536_000  # seconds; the minimum of browsers' preload lists
MAX_FIELDS = 100  # parts of a multipart form, each in memory
FIELD_BYTES = 65_536  # of one part


class SecuritySettings(CoreSettings):
    """Security headers."""

    hsts_max_age_seconds: int = Field(default=A_YEAR, ge=0, le=10 * A_YEAR)
    """How long browsers insist on HTTPS, in seconds, in production; 0: the header is not sent."""
    hsts_preload: bool = False
    """Whether the domain asks for a place in the browsers' HSTS preload lists."""

    @field_validator("hsts_preload")
    @classmethod
    def _for_long_enough(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  pydantic's signature
        if value and info.data.get("hsts_max_age_seconds", A_YEAR) < A_YEAR:
            message = f"requires HSTS_MAX_AGE_SECONDS of {A_YEAR} or more"
            raise ValueError(message)
        return value

    @property
    def hsts(self) -> list[tuple[str, str]]:
        """The header that makes browsers require HTTPS (RFC 6797), in production only."""
        if not self.in_production or not self.hsts_max_age_seconds:
            return []
        preload = "; preload" if self.hsts_preload else ""
        value = f"max-age={self.hsts_max_age_seconds}; includeSubDomains{preload}"
        return [("Strict-Transport-Security", value)]


class Request(flask.Request):
    """A request that refuses files before it stores any of them, unless its view accepts files."""

    takes_files = False
    """Set by a view that accepts files, before it reads the form."""

    def make_form_data_parser(self) -> FormDataParser:
        """Return the parser of the form, which refuses files unless the view accepts them."""
        if self.takes_files:
            return super().make_form_data_parser()
        return self.form_data_parser_class(
            stream_factory=_no_files,
            max_form_memory_size=self.max_form_memory_size,
            max_content_length=self.max_content_length,
            max_form_parts=self.max_form_parts,
            cls=self.parameter_storage_class,
        )


def _no_files(
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> NoReturn:
    del total_content_length, content_type, filename, content_length
    raise UnsupportedMediaType


def init_app(app: Flask, settings: SecuritySettings) -> None:
    """Set cookie flags, size limits, trusted hosts, proxy hops, URL checks and response headers."""
    app.request_class = Request
    # Merging slashes would redirect to the Host that the client sent.
    app.url_map.merge_slashes = False
    app.config.update(
        SECRET_KEY=settings.secret_key.get_secret_value(),
        # FLASK_DEBUG may be set for another application, and is ignored in production.
        DEBUG=app.debug and not settings.in_production,
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        # {% if cookiecutter.web_ui %}
        # Browsers accept a cookie with this prefix only with Secure, the path / and no domain, so
        # no other host of the domain can set it (RFC 6265bis, 4.1.3.2). Services below several
        # paths of one host then need different names; no URL prefix contains +, so /a/b and /a-b
        # differ.
        SESSION_COOKIE_NAME=(
            f"__Host-session{settings.url_prefix.replace('/', '+')}"
            if settings.in_production
            else "session"
        ),
        SESSION_COOKIE_PATH="/" if settings.in_production else settings.url_prefix or "/",
        # {% endif %}
        MAX_FORM_PARTS=MAX_FIELDS,
        MAX_FORM_MEMORY_SIZE=FIELD_BYTES,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.in_production,
    )
    hops = settings.trusted_proxy_hops
    # Only as many X-Forwarded-* values as there are trusted proxies: the client may have written
    # the others.
    app.wsgi_app = client_address.ClientAddress(app.wsgi_app, hops)  # type: ignore[method-assign]  # as below
    if hops:
        # X-Forwarded-Host is never trusted, because many proxies pass on the client's value.
        # Proxies must preserve Host instead.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # Flask's documented way
            app.wsgi_app, x_for=0, x_proto=hops, x_host=0
        )
    if settings.allowed_hosts and "*" not in settings.allowed_hosts:
        app.before_request(partial(_refuse_foreign_host, settings.allowed_hosts))
    text.init_app(app)
    request_pipeline.of(app).static_headers.extend([*HEADERS, *settings.hsts])


def _refuse_foreign_host(allowed: tuple[str, ...]) -> None:
    """Refuse a Host that is not allowed, except from probes, which use an address and not a name.

    Raises:
        SecurityError: answered with 400.

    """
    # Host names are case-insensitive (RFC 9110, 4.2.3); werkzeug compares them as they are.
    host = request.host.lower()
    if not pipeline.current().quiet and not host_is_trusted(host, allowed):
        raise SecurityError
