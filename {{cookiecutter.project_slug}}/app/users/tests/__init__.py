"""Tests of accounts, and helpers to create accounts and to read their emails."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.api import PREFIX
from app.core.database import writing
from app.core.mail import email_queue
from app.users.models import User
from app.users.passwords import passwords

PASSWORD = "correct horse battery staple"  # noqa: S105  of no account
OTHER_PASSWORD = "another long one for tests"  # noqa: S105


def new_address() -> str:
    """Return a unique email address."""
    return f"{uuid4().hex}@mail.example"


def make(app: Flask, email: str, **values: Any) -> UUID:  # noqa: ANN401  any column
    """Store a confirmed account, with these values instead of the defaults; return its id."""
    now = datetime.now(UTC)
    with app.app_context():
        usual = {
            "id": uuid4(),
            "email": email,
            "email_verified_at": now,
            "password_hash": passwords.current.hash(PASSWORD),
            "created_at": now,
        }
        user = User(**{**usual, **values})
        with writing() as transaction:
            transaction.add(user)
    return user.id


def emails(app: Flask, to: str) -> list[tuple[str, str]]:
    """Return the subject and text of each email to an address since the last call."""
    queue = email_queue.of(app)
    queue.executor.submit(lambda: None).result()  # waits for all emails queued before
    found = [email for email in queue.captured if email["To"] == to]
    for email in found:
        queue.captured.remove(email)
    return [(email["Subject"], email.get_content()) for email in found]


def tokens(app: Flask, to: str) -> list[tuple[str, str]]:
    """Return the purpose and token of the link in each email to an address, oldest first."""
    link = re.compile(r"^http://127.0.0.1:8000/account/([a-z-]+)\?token=(\S+)$", re.MULTILINE)
    return [found for _, text in emails(app, to) for found in link.findall(text)]


def token(app: Flask, to: str, purpose: str) -> str:
    """Return the token in the only email to an address."""
    ((found, token),) = tokens(app, to)
    assert found == purpose  # noqa: S101  a test's helper
    return token


def log_in(client: FlaskClient, email: str, password: str = PASSWORD) -> TestResponse:
    """Log in through the API."""
    return client.post(f"{PREFIX}/auth/login", json={"email": email, "password": password})


def logged_in(client: FlaskClient, email: str, password: str = PASSWORD) -> dict[str, str]:
    """Log in and return the tokens."""
    tokens = log_in(client, email, password).json or {}
    assert "access_token" in tokens, tokens  # noqa: S101  a test's helper
    return tokens


def bearer(tokens: dict[str, str]) -> dict[str, str]:
    """Return the Authorization header for an access token."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}
