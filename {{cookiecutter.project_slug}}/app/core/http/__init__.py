"""HTTP: the request pipeline, errors, and what guards requests: headers, sizes, origins, limits."""

from flask import Flask

from app.core import errors, pipeline, url_prefix
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
    """Put the pipeline around the application, answer errors, and guard requests."""
    pipeline.init_app(app)
    errors.init_app(app)
    request_body.init_app(app)
    security.init_app(app, settings)
    cors.init_app(app, settings)
    # {% if cookiecutter.rate_limiting %}
    rate_limits.init_app(app, settings)
    # {% endif %}


def mount(app: Flask, settings: Settings) -> Flask:
    """Hold settings against the routes of the application, and serve it below URL_PREFIX.

    Raises:
        InvalidSettings: when a setting names a route that does not exist, or the prefix is one.

    """
    # {% if cookiecutter.rate_limiting %}
    rate_limits.check(app, settings)
    # {% endif %}
    return url_prefix.mount(app, settings)
