"""Tests of webhooks, helpers that act as a sender, and a type of events for tests."""

from typing import Any
from uuid import uuid4

import orjson
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import fields, validate
from werkzeug.test import TestResponse

from app import webhooks
from app.core import schemas
from app.webhooks import signatures
from app.webhooks.handlers import Handler, event_types
from app.webhooks.routes import URL

NOTE_ADDED = "note.added"
SECRET = signatures.key(signatures.DEVELOPMENT_SECRET)


class NoteSchema(webhooks.EventData):
    """The data of `note.added`."""

    note_id = schemas.UUID(required=True)
    copies = schemas.Integer(required=True, validate=validate.Range(1, schemas.MAX_INTEGER))
    language = fields.String(
        required=True, validate=schemas.FullMatch("[a-z]{2}", error="Must be two letters.")
    )


def with_notes(app: Flask, *handlers: Handler) -> Flask:
    """Handle `note.added` and no other type in this application; return the application."""
    event_types.set(app, {})
    for handler in handlers or [lambda _: None]:
        webhooks.register(app, NOTE_ADDED, NoteSchema, handler)
    return app


def note(**data: object) -> bytes:
    """Return the body of a `note.added` event, with these values instead of the defaults."""
    usual = {"note_id": str(uuid4()), "copies": 2, "language": "en"}
    return event(NOTE_ADDED, **{**usual, **data})


def event(kind: str, **data: object) -> bytes:
    """Return the body of an event."""
    return orjson.dumps({"type": kind, "timestamp": "2026-11-23T10:00:00Z", "data": data})


def signed(body: bytes, delivery_id: str | None = None) -> dict[str, str]:
    """Return the signature headers for a body."""
    return signatures.headers([SECRET], delivery_id or f"msg_{uuid4().hex}", body)


def deliver(
    client: FlaskClient, body: bytes, headers: dict[str, Any] | None = None
) -> TestResponse:
    """Deliver a body, signed unless other headers are given."""
    return client.post(
        URL, data=body, headers=headers or signed(body), content_type="application/json"
    )
