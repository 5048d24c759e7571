"""Tests of webhooks, and helpers that act as a sender."""

from typing import Any
from uuid import uuid4

import orjson
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.webhooks import signatures

URL = "/webhooks/payments"
SECRET = signatures.key(signatures.DEVELOPMENT_SECRET)


def payment(**data: object) -> bytes:
    """Return the body of a payment event, with these values instead of the defaults."""
    usual = {"order_id": str(uuid4()), "amount_cents": 2100, "currency": "EUR"}
    return event("payment.succeeded", **{**usual, **data})


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
