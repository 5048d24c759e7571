"""Test clients that act as browsers, for tests of pages."""

import re
from collections.abc import Mapping
from uuid import UUID

from flask import (  # one line where it fits
    Flask,
    # {% if cookiecutter.auth != "none" %}
    session,
    # {% endif %}
)
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    errors,
)

TOKEN = re.compile(r'name="csrf_token"[^>]* value="([^"]+)"')
SOME_ID = UUID(int=1)
"""The id of the logged-in user. Nothing else has it."""
# The headers that a browser sends.
ACCEPT = {"Accept": f"text/html,application/xhtml+xml,{errors.MEDIA_TYPE};q=0.5,*/*;q=0.8"}
SENT = {**ACCEPT, "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


def user_browser(app: Flask) -> FlaskClient:
    """Return the browser of a user who may see every page."""
    client: FlaskClient = app.test_client()
    # {% if cookiecutter.auth != "none" %}
    with app.app_context():
        scopes = access.scopes_of("user")
    login(client, access.Principal(SOME_ID, scopes))
    # {% endif %}
    return client


# {% if cookiecutter.auth != "none" %}
def login(client: FlaskClient, principal: access.Principal, name: str = "ann@shop.example") -> None:
    """Log a principal in to a browser."""
    with client.application.test_request_context():
        access.browser_session.login(principal, name)
        begun = dict(session)
    with client.session_transaction() as kept:
        kept.update(begun)


# {% endif %}
def session_of(client: FlaskClient) -> dict[str, object]:
    """Return the contents of the browser's session cookie."""
    with client.session_transaction() as kept:
        return dict(kept)


def token(client: FlaskClient, path: str) -> str:
    """Return the CSRF token of the last form on a page."""
    found: list[str] = TOKEN.findall(client.get(path).text)
    return found[-1]


# {% if cookiecutter.example %}
def line(sku: str, quantity: str, price: str, number: int = 0) -> dict[str, str]:
    """Return the form fields of a line."""
    typed = {"sku": sku, "quantity": quantity, "price": price}
    return {f"lines-{number}-{name}": value for name, value in typed.items()}


# {% endif %}
def send(
    client: FlaskClient, path: str, fields: Mapping[str, str], to: str | None = None
) -> TestResponse:
    """Fill in the form on a page and send it to that page, or to the path `to`."""
    form = {"csrf_token": token(client, path), **fields}
    return client.post(to or path, data=form, headers=SENT)
