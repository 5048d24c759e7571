"""Quotes: prices of order lines. Nothing is stored."""

from flask import Flask

from app.core import api
from app.quotes import (  # one line where it fits
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    emails,
    # {% endif %}
    # {% if cookiecutter.web_ui or cookiecutter.background_tasks %}
    money,
    # {% endif %}
    # {% if cookiecutter.webhooks and cookiecutter.database == "none" %}
    payment_log,
    # {% endif %}
    routes,
)


def init_app(app: Flask) -> None:
    """Serve `/api/v1/quotes`."""
    app.register_blueprint(routes.blueprint, url_prefix=f"{api.PREFIX}/quotes")
    # {% if cookiecutter.web_ui or cookiecutter.background_tasks %}
    app.add_template_filter(money.formatted, "money")
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    emails.init_app(app)
    # {% endif %}
    # {% if cookiecutter.webhooks and cookiecutter.database == "none" %}
    payment_log.init_app(app)
    # {% endif %}
