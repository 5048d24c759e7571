"""What administrators see and change; each change leaves an entry in the audit log."""

from app.admin import (
    # {% if cookiecutter.auth == "jwt" %}
    accounts,
    # {% endif %}
    routes,
)

__all__ = [
    # {% if cookiecutter.auth == "jwt" %}
    "accounts",
    # {% endif %}
    "blueprint",
]

blueprint = routes.blueprint
