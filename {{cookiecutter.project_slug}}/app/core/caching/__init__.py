"""Answers that are kept for a while, so that they need not be made each time."""

from flask import Flask

from app.core.caching import (  # one line where it fits
    cache,
    # {% if cookiecutter.metrics %}
    cache_metrics,
    # {% endif %}
)
from app.core.caching.cache import CacheSettings, cached, forget_after_commit, form_of, of

__all__ = ["CacheSettings", "cached", "forget_after_commit", "form_of", "init_app", "of"]


def init_app(app: Flask, settings: CacheSettings) -> None:
    """Give the application its cache."""
    cache.init_app(app, settings)
    # {% if cookiecutter.metrics %}
    cache_metrics.init_app(app)
    # {% endif %}
