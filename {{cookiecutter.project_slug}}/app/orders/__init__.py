"""Takes orders and keeps them."""

from app.orders import (
    # {% if cookiecutter.background_tasks %}
    receipts,
    # {% endif %}
    routes,
)

blueprint = routes.blueprint

__all__ = [
    "blueprint",
    # {% if cookiecutter.background_tasks %}
    "receipts",
    # {% endif %}
]
