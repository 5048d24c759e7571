"""Principals with tokens issued by this service, for tests."""

from uuid import NAMESPACE_DNS, UUID, uuid5

from flask import Flask

from app.core import access
from app.core.access import Principal
from app.core.access.tokens import tokens
from app.roles import Role
from app.users import passwords
from app.users import service as users
from app.users.tests import make

WRONG_LENGTH = passwords.wrong_length(passwords.DEFAULT_MIN_LENGTH)
"""The message for a password of the wrong length."""


def user_id(app: Flask, name: str = "user") -> UUID:
    """Return the id of a user by name. The user `admin` is an administrator."""
    del app
    return uuid5(NAMESPACE_DNS, name)


def authorization(app: Flask, name: str = "user") -> str:
    """Return the Authorization header of a user."""
    with app.app_context():
        scopes = access.scopes_of("admin" if name == "admin" else "user")
    if name == "admin":
        _make_administrator(app)
    return f"Bearer {tokens.of(app).issue(Principal(user_id(app, name), scopes)).value}"


def _make_administrator(app: Flask) -> None:
    """Store the administrator's account, which the service looks up on each request."""
    own = user_id(app, "admin")
    with app.app_context():
        if users.role_of(own) is None:
            make(app, "admin@shop.example", id=own, role=Role.ADMIN)
