"""A cache of responses, so that they need not be computed for each request."""

from flask import Flask

from app.core.caching import (  # one line where it fits
    cache,
    # {% if cookiecutter.metrics %}
    cache_metrics,
    # {% endif %}
)
from app.core.caching.cache import CacheSettings, cached, invalidate_after_commit, schema_digest

__all__ = ["CacheSettings", "cached", "init_app", "invalidate_after_commit", "schema_digest"]


def init_app(app: Flask, settings: CacheSettings) -> None:
    """Set up the application's cache."""
    cache.init_app(app, settings)
    # {% if cookiecutter.metrics %}
    cache_metrics.init_app(app)
    # {% endif %}
