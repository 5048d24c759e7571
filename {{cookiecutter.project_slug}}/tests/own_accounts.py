"""Stored accounts, for tests of the pages."""

from uuid import UUID

from flask import Flask

from app.users import tests as users

PASSWORD = users.PASSWORD


def store_account(app: Flask, user_id: UUID, email: str) -> None:
    """Store an account with this id and the password of all tests."""
    users.make(app, email, id=user_id)
