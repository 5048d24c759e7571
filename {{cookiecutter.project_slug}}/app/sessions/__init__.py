"""Stored sessions, which can be listed and ended on the server."""

from flask import Flask

from app.sessions import (  # one line where it fits
    commands,
    # {% if cookiecutter.web_ui %}
    open_sessions,
    # {% endif %}
    service,
)
from app.sessions.settings import SessionSettings

__all__ = ["SessionSettings", "init_app"]


def init_app(app: Flask, settings: SessionSettings) -> None:
    """Set the lifetime of sessions and register the command that deletes old ones."""
    service.session_max_age.set(app, settings.session_max_age)
    app.cli.add_command(commands.prune)
    # {% if cookiecutter.web_ui %}
    open_sessions.init_app(app)
    # {% endif %}
