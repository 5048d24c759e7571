"""Stored sessions, which can be listed and ended on the server."""

from datetime import timedelta

from flask import Flask

from app.core.database import pruning
from app.sessions import (  # one line where it fits
    # {% if cookiecutter.web_ui %}
    open_sessions,
    # {% endif %}
    service,
)
from app.sessions.settings import SessionSettings

__all__ = ["SessionSettings", "init_app"]


def init_app(app: Flask, settings: SessionSettings) -> None:
    """Set the lifetime of sessions and how long old ones are kept."""
    service.session_max_age.set(app, settings.session_max_age)
    pruning.register(app, "sessions", service.delete_before, keep=timedelta(days=90))
    # {% if cookiecutter.web_ui %}
    open_sessions.init_app(app)
    # {% endif %}
