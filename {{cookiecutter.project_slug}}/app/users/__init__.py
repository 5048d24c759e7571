"""Keeps accounts: who somebody is, and how they prove it."""

from flask import Flask

from app.core import access
from app.core.logins import LoginSettings
from app.users import (
    commands,
    routes,
    service,
    # {% if cookiecutter.background_tasks %}
    stored_emails,
    # {% endif %}
)


def init_app(app: Flask, settings: LoginSettings) -> None:
    """Serve `/api/v1/users`, and give operators their commands."""
    app.extensions[service.OPEN] = settings.registration_open
    access.look_up(app, "admin", service.is_administrator)
    app.register_blueprint(routes.blueprint, url_prefix="/api/v1/users")
    app.cli.add_command(commands.users)
    app.cli.add_command(commands.prune)
    # {% if cookiecutter.background_tasks %}
    stored_emails.init_app(app)
    # {% endif %}
