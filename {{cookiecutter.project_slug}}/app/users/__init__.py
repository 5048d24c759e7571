"""User accounts: registration, passwords, email addresses and roles."""

from flask import Flask

from app.core import access, api
from app.core.database import pruning
from app.users import (  # one line where it fits
    attempts,
    commands,
    passwords,
    routes,
    service,
    signed_links,
    # {% if cookiecutter.background_tasks %}
    stored_emails,
    # {% endif %}
)
from app.users.settings import UserSettings

__all__ = ["UserSettings", "init_app"]


def init_app(app: Flask, settings: UserSettings) -> None:
    """Serve `/api/v1/users` and register the CLI command."""
    passwords.init_app(app, settings)
    signed_links.init_app(app, settings)
    service.registration_open.set(app, settings.registration_open)
    service.confirmation_required.set(app, settings.email_confirmation_required)
    access.declare_scopes(app, {"account": ("user", "admin")})
    access.check_on_each_request(app, "admin", service.is_administrator)
    app.register_blueprint(routes.blueprint, url_prefix=f"{api.PREFIX}/users")
    app.cli.add_command(commands.users)
    pruning.register(app, "attempts", attempts.delete_before, keep=attempts.KEEP)
    # {% if cookiecutter.background_tasks %}
    stored_emails.init_app(app)
    # {% endif %}
