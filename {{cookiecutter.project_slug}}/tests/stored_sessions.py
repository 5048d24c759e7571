"""Stored sessions and their browsers, for tests."""

from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient

from app.core.access import Principal, scopes_of
from app.core.database import writing
from app.sessions import service
from tests.browsers import SOME_ID, login


def open_session(app: Flask, owner_id: UUID = SOME_ID) -> UUID:
    """Store a session of a user; return its id."""
    with app.app_context(), writing() as transaction:
        return service.open_session(  # one line where it fits
            transaction,
            owner_id,
            # {% if cookiecutter.auth == "jwt" %}
            "network",
            # {% endif %}
        ).id


def with_session(app: Flask) -> FlaskClient:
    """Return a browser with a stored session."""
    client: FlaskClient = app.test_client()
    with app.app_context():
        scopes = scopes_of("user")
    login(client, Principal(SOME_ID, scopes, open_session(app)))
    return client
