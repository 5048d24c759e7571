"""Receives signed webhooks from other services, and processes each event once."""

from flask import Flask

from app.core import api
from app.webhooks import (  # one line where it fits
    # {% if cookiecutter.metrics %}
    events,
    # {% endif %}
    # {% if cookiecutter.database == "none" %}
    replay_cache,
    # {% endif %}
    routes,
    # {% if cookiecutter.database != "none" %}
    service,
    # {% endif %}
)
from app.webhooks.handlers import Event, event_types, register
from app.webhooks.schemas import EventData
from app.webhooks.signatures import SCHEME, Verifier, WebhookSettings

__all__ = ["Event", "EventData", "WebhookSettings", "init_app", "register"]


def init_app(app: Flask, settings: WebhookSettings) -> None:
    """Serve `/webhooks`, outside of the versioned API: the sender defines the event format."""
    # {% if cookiecutter.database == "none" %}
    replay_cache.init_app(app, settings)
    process = replay_cache.process
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    service.init_app(app)
    process = service.process
    # {% endif %}
    endpoint = routes.WebhookEndpoint(Verifier(settings), settings.webhook_max_bytes, process)
    routes.webhook_endpoint.set(app, endpoint)
    event_types.set(app, {})
    # {% if cookiecutter.metrics %}
    events.init_app(app)
    # {% endif %}
    api.security_scheme(app, "webhook", SCHEME)
    app.register_blueprint(routes.blueprint)
