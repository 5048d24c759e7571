"""HTTP: the request pipeline, error responses, security headers, and limits on requests."""

from flask import Flask

from app.core import checks, errors, pipeline, url_prefix
from app.core.http import (  # one line where it fits
    cors,
    # {% if cookiecutter.rate_limiting %}
    rate_limits,
    # {% endif %}
    # {% if cookiecutter.rate_limiting and cookiecutter.database == "none" %}
    redis_server,
    # {% endif %}
    request_body,
    security,
)

__all__ = [  # one line where it fits
    "Application",
    "Settings",
    "init_app",
    "mount",
    # {% if cookiecutter.rate_limiting and cookiecutter.database == "none" %}
    "redis_server",
    # {% endif %}
]

Application = url_prefix.Flask


class Settings(  # one line where it fits
    cors.CorsSettings,
    # {% if cookiecutter.rate_limiting %}
    rate_limits.RateLimitSettings,
    # {% endif %}
    security.SecuritySettings,
):
    """The settings of HTTP."""


def init_app(app: Flask, settings: Settings) -> None:
    """Install the request pipeline, the error handlers, and the checks of each request."""
    pipeline.init_app(app)
    errors.init_app(app)
    checks.init_app(app)
    request_body.init_app(app)
    security.init_app(app, settings)
    cors.init_app(app, settings)
    # {% if cookiecutter.rate_limiting %}
    rate_limits.init_app(app, settings)
    # {% endif %}


def mount(app: Flask, settings: Settings) -> Flask:
    """Check settings against the application's routes, and serve it below URL_PREFIX.

    Raises:
        InvalidSettings: when a setting names a route that does not exist, or a route conflicts
            with the prefix.

    """
    # {% if cookiecutter.rate_limiting %}
    rate_limits.check(app, settings)
    # {% endif %}
    return url_prefix.mount(app, settings)
