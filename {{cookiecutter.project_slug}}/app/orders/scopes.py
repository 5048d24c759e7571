"""The scopes of orders, and which roles hold them."""

from flask import Flask

from app.core import access


def init_app(app: Flask) -> None:
    """Declare the scopes; administrators see and change their own orders, as all users do."""
    roles = ("user", "admin")
    access.declare_scopes(app, {"orders:read": roles, "orders:write": roles})
