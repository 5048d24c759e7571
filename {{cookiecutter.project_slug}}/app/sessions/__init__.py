"""Keeps track of who is logged in, so that a login can be ended."""

from flask import Flask

from app.core import (
    # {% if cookiecutter.web_ui %}
    browser,
    # {% endif %}
    logins,
)
from app.sessions import commands, service


def init_app(app: Flask, settings: logins.LoginSettings) -> None:
    """Say how long a login lasts, and let operators forget old ones."""
    app.extensions[service.LIFE] = settings.session_life
    app.cli.add_command(commands.prune)
    # {% if cookiecutter.web_ui %}
    browser.of(app).is_open = service.is_open
    # {% endif %}
