"""What every response and every connection gets, whatever the route."""

from functools import partial

from flask import Flask, request
from werkzeug.exceptions import SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from app.core import pipeline
from app.core.config import CoreSettings

# OWASP Secure Headers Project, for each answer that has no such header of its own. An API loads
# nothing, so its policy allows nothing.
HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("X-Permitted-Cross-Domain-Policies", "none"),
    # An answer is for whoever asked; a view whose answers may be kept says so.
    ("Cache-Control", "no-store"),
]
HSTS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


def init_app(app: Flask, settings: CoreSettings) -> None:
    """Set cookie flags, size limits, trusted hosts, proxy hops and response headers."""
    app.config.update(
        SECRET_KEY=settings.secret_key.get_secret_value(),
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        # {% if cookiecutter.web_ui %}
        # Browsers take a cookie of that prefix only with Secure, the path / and no domain, so no
        # other host of the domain can plant one (RFC 6265bis, 4.1.3.2).
        SESSION_COOKIE_NAME="__Host-session" if settings.in_production else "session",
        # {% endif %}
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.in_production,
    )
    hops = settings.trusted_proxies
    if hops:
        # Only as many X-Forwarded-* values as there are proxies of ours: the rest is the
        # client's own writing.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # Flask's documented way
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    if settings.allowed_hosts and "*" not in settings.allowed_hosts:
        app.before_request(partial(_refuse_foreign_host, settings.allowed_hosts))
    headers = [*HEADERS, HSTS] if settings.in_production else HEADERS
    pipeline.of(app).static_headers.extend(headers)


def _refuse_foreign_host(allowed: tuple[str, ...]) -> None:
    """Refuse a Host that is not ours, except from probes, which call an address and not a name.

    Raises:
        SecurityError: a 400.

    """
    if not pipeline.of_request().quiet and not host_is_trusted(request.host, allowed):
        raise SecurityError
