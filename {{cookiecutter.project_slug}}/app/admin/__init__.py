"""The API for administrators. Each change is recorded in the audit log."""

from flask import Flask

from app.admin import (  # one line where it fits
    # {% if cookiecutter.auth == "jwt" %}
    accounts,
    # {% endif %}
    # {% if cookiecutter.example %}
    orders,
    # {% endif %}
    routes,
)
from app.core import access, api

__all__ = [  # one line where it fits
    # {% if cookiecutter.auth == "jwt" %}
    "accounts",
    # {% endif %}
    "init_app",
    # {% if cookiecutter.example %}
    "orders",
    # {% endif %}
]


def init_app(app: Flask) -> None:
    """Serve `/api/v1/admin`."""
    access.declare_scopes(app, {"admin": ("admin",)})
    app.register_blueprint(routes.blueprint, url_prefix=f"{api.PREFIX}/admin")
