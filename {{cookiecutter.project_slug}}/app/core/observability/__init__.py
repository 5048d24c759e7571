"""Observability for operators: logs, metrics and traces of requests."""

from flask import Flask

from app.core import config
from app.core.observability import (  # one line where it fits
    # {% if cookiecutter.metrics and cookiecutter.tracing %}
    exemplars,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" and cookiecutter.tracing %}
    http_client_spans,
    # {% endif %}
    logs,
    # {% if cookiecutter.metrics %}
    metrics,
    # {% endif %}
    # {% if cookiecutter.metrics and cookiecutter.database != "none" %}
    pool_metrics,
    # {% endif %}
    # {% if cookiecutter.tracing and (cookiecutter.rate_limiting or cookiecutter.caching) %}
    redis_spans,
    # {% endif %}
    # {% if cookiecutter.tracing and cookiecutter.database != "none" %}
    sqlalchemy_spans,
    # {% endif %}
    # {% if cookiecutter.tracing %}
    tracing,
    # {% endif %}
)

__all__ = [  # one line where it fits
    "Settings",
    # {% if cookiecutter.auth == "oidc" and cookiecutter.tracing %}
    "http_client_spans",
    # {% endif %}
    "init_app",
    # {% if cookiecutter.tracing and (cookiecutter.rate_limiting or cookiecutter.caching) %}
    "redis_spans",
    # {% endif %}
]


class Settings(  # one line where it fits
    # {% if cookiecutter.metrics %}
    metrics.MetricsSettings,
    # {% endif %}
    # {% if cookiecutter.tracing %}
    tracing.TracingSettings,
    # {% endif %}
    config.CoreSettings,
):
    """The settings of observability."""


def init_app(app: Flask, settings: Settings) -> None:
    """Observe the application's requests."""
    logs.init_app(app, settings)
    # {% if cookiecutter.tracing %}
    tracing.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.tracing and cookiecutter.database != "none" %}
    sqlalchemy_spans.init_app(app)
    # {% endif %}
    # {% if cookiecutter.metrics %}
    metrics.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.metrics and cookiecutter.tracing %}
    exemplars.init_app(app)
    # {% endif %}
    # {% if cookiecutter.metrics and cookiecutter.database != "none" %}
    pool_metrics.init_app(app)
    # {% endif %}
