"""What every response and every connection gets, whatever the route."""

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

# Directives that every policy has by name: `default-src` does not stand for `base-uri`, and OWASP ASVS
# 5.0 (3.4.3) asks for both.
POLICY = "base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
# OWASP Secure Headers Project, for each answer that has no such header of its own. An API loads
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
    # An answer is for whoever asked; a view whose answers may be kept says so.
    ("Cache-Control", "no-store"),
]
A_YEAR = 31_536_000  # seconds; the least that browsers' preload lists take
MOST_FIELDS = 100  # parts of a form, each in memory
FIELD_BYTES = 65_536  # and all of them together


class SecuritySettings(CoreSettings):
    """Security headers."""

    hsts_seconds: int = Field(default=A_YEAR, ge=0, le=10 * A_YEAR)
    """How long browsers insist on HTTPS, in seconds, in production; 0: the header is not sent."""
    hsts_preload: bool = False
    """Whether the domain asks for a place in the browsers' HSTS preload lists."""

    @field_validator("hsts_preload")
    @classmethod
    def _for_long_enough(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  pydantic's signature
        if value and info.data.get("hsts_seconds", A_YEAR) < A_YEAR:
            message = f"needs HSTS_SECONDS of {A_YEAR} or more"
            raise ValueError(message)
        return value

    @property
    def hsts(self) -> list[tuple[str, str]]:
        """The header that makes browsers insist on HTTPS (RFC 6797): in production alone."""
        if not self.in_production or not self.hsts_seconds:
            return []
        preload = "; preload" if self.hsts_preload else ""
        value = f"max-age={self.hsts_seconds}; includeSubDomains{preload}"
        return [("Strict-Transport-Security", value)]


class Request(flask.Request):
    """A request whose files are refused, before a byte of them is kept, unless its view asks."""

    takes_files = False
    """Set by a view that wants files, before it reads the form."""

    def make_form_data_parser(self) -> FormDataParser:
        """Return what reads the form: without files unless its view asks for them."""
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
    """Set cookie flags, size limits, trusted hosts, proxy hops, readable URLs and response headers."""
    app.request_class = Request
    # A redirect to a path without its doubled slash would name whatever host the client did.
    app.url_map.merge_slashes = False
    app.config.update(
        SECRET_KEY=settings.secret_key.get_secret_value(),
        # FLASK_DEBUG may be set for another application, and means nothing in production.
        DEBUG=app.debug and not settings.in_production,
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        # {% if cookiecutter.web_ui %}
        # Browsers take a cookie of that prefix only with Secure, the path / and no domain, so no
        # other host of the domain can plant one (RFC 6265bis, 4.1.3.2). Services below several paths
        # of one host need several names then; no prefix has a plus, so /a/b and /a-b differ.
        SESSION_COOKIE_NAME=(
            f"__Host-session{settings.url_prefix.replace('/', '+')}"
            if settings.in_production
            else "session"
        ),
        SESSION_COOKIE_PATH="/" if settings.in_production else settings.url_prefix or "/",
        # {% endif %}
        MAX_FORM_PARTS=MOST_FIELDS,
        MAX_FORM_MEMORY_SIZE=FIELD_BYTES,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.in_production,
    )
    hops = settings.trusted_proxies
    # Only as many X-Forwarded-* values as there are proxies of ours: the rest is the client's own
    # writing.
    app.wsgi_app = client_address.ClientAddress(app.wsgi_app, hops)  # type: ignore[method-assign]  # as below
    if hops:
        # X-Forwarded-Host is never believed, because many proxies pass on what a client put there;
        # they are to keep Host.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # Flask's documented way
            app.wsgi_app, x_for=0, x_proto=hops, x_host=0
        )
    if settings.allowed_hosts and "*" not in settings.allowed_hosts:
        app.before_request(partial(_refuse_foreign_host, settings.allowed_hosts))
    text.init_app(app)
    pipeline.of(app).static_headers.extend([*HEADERS, *settings.hsts])


def _refuse_foreign_host(allowed: tuple[str, ...]) -> None:
    """Refuse a Host that is not ours, except from probes, which call an address and not a name.

    Raises:
        SecurityError: a 400.

    """
    # Names are the same in capitals (RFC 9110, 4.2.3); werkzeug compares them as they are.
    host = request.host.lower()
    if not pipeline.of_request().quiet and not host_is_trusted(host, allowed):
        raise SecurityError
