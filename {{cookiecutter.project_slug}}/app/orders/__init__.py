"""Orders: place, list, show and cancel."""

from flask import Flask

from app.core import api
from app.orders import (  # one line where it fits
    # {% if cookiecutter.metrics %}
    events,
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    payments,
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    receipts,
    # {% endif %}
    routes,
    # {% if cookiecutter.auth != "none" %}
    scopes,
    # {% endif %}
)


def init_app(app: Flask) -> None:
    """Serve `/api/v1/orders`."""
    # {% if cookiecutter.auth != "none" %}
    scopes.init_app(app)
    # {% endif %}
    app.register_blueprint(routes.blueprint, url_prefix=f"{api.PREFIX}/orders")
    # {% if cookiecutter.metrics %}
    events.init_app(app)
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    receipts.init_app(app)
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    payments.init_app(app)
    # {% endif %}
