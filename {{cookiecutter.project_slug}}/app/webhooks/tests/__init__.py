"""Tests of webhooks, and how a sender delivers them."""

from typing import Any
from uuid import uuid4

import orjson
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.webhooks import signatures

URL = "/webhooks/payments"
SECRET = signatures.key(signatures.DEVELOPMENT_SECRET)


def payment(**data: object) -> bytes:
    """Return the event of a payment, with these values instead of usual ones."""
    usual = {"order_id": str(uuid4()), "amount_cents": 2100, "currency": "EUR"}
    return event("payment.succeeded", **{**usual, **data})


def event(kind: str, **data: object) -> bytes:
    """Return an event as it is sent."""
    return orjson.dumps({"type": kind, "timestamp": "2026-11-23T10:00:00Z", "data": data})


def signed(body: bytes, delivery_id: str | None = None) -> dict[str, str]:
    """Return the headers that prove who sent a body and when."""
    return signatures.headers([SECRET], delivery_id or f"msg_{uuid4().hex}", body)


def deliver(
    client: FlaskClient, body: bytes, headers: dict[str, Any] | None = None
) -> TestResponse:
    """Send a body, signed unless other headers are given."""
    return client.post(
        URL, data=body, headers=headers or signed(body), content_type="application/json"
    )
