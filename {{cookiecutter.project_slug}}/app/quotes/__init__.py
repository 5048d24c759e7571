"""Prices order lines. It keeps no data."""

from app.quotes import (
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    mailing,
    # {% endif %}
    routes,
)

blueprint = routes.blueprint

__all__ = [
    "blueprint",
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    "mailing",
    # {% endif %}
]
