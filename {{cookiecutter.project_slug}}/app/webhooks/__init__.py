"""Takes signed events from other services; each one counts once."""

from flask import Flask

from app.core.signatures import Verifier, WebhookSettings
from app.webhooks import (
    # {% if cookiecutter.database != "none" %}
    commands,
    # {% endif %}
    # {% if cookiecutter.database == "none" %}
    replays,
    # {% endif %}
    routes,
)


def init_app(app: Flask, settings: WebhookSettings) -> None:
    """Serve `/webhooks`, outside of the versioned API: the form of an event is its sender's."""
    app.extensions["webhooks"] = routes.Door(Verifier(settings), settings.webhook_max_bytes)
    # {% if cookiecutter.database == "none" %}
    # A timestamp may lie as far ahead as behind.
    app.extensions["webhook_replays"] = replays.Replays(2 * settings.webhook_tolerance_seconds)
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    app.cli.add_command(commands.prune)
    # {% endif %}
    app.register_blueprint(routes.blueprint)
