"""Keeps track of who is logged in, so that a login can be ended."""

from flask import Flask

from app.core.logins import LoginSettings
from app.sessions import commands, service


def init_app(app: Flask, settings: LoginSettings) -> None:
    """Say how long a login lasts, and let operators forget old ones."""
    app.extensions[service.LIFE] = settings.session_life
    app.cli.add_command(commands.prune)
