"""A cache of responses, so that they need not be computed for each request."""

from flask import Flask

from app.core.caching import (  # one line where it fits
    cache,
    # {% if cookiecutter.metrics %}
    cache_metrics,
    # {% endif %}
)
from app.core.caching.cache import CacheSettings, cached, forget_after_commit, form_of

__all__ = ["CacheSettings", "cached", "forget_after_commit", "form_of", "init_app"]


def init_app(app: Flask, settings: CacheSettings) -> None:
    """Set up the application's cache."""
    cache.init_app(app, settings)
    # {% if cookiecutter.metrics %}
    cache_metrics.init_app(app)
    # {% endif %}
