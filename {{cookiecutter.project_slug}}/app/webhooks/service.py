"""The effects of events. Each delivery takes effect once, even if it is sent again."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from flask import Flask
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.api.idempotency import digest
from app.core.database import pruning, writing
from app.orders.payments import Payment, pay
from app.webhooks.models import Delivery

logger = logging.getLogger(__name__)

KEEP = timedelta(days=30)  # longer than any sender retries a delivery


class _SeenBefore(Exception):  # noqa: N818  not an error: it rolls a transaction back
    """The delivery has been processed already."""


def payment_succeeded(delivery_id: str, payment: Payment) -> None:
    """Mark the order as paid.

    Raises:
        PaymentMismatch: when no order matches. Nothing is stored, so a retry is processed again.

    """
    _once(delivery_id, partial(pay, payment=payment))


def delete_before(moment: datetime) -> int:
    """Delete the deliveries received before a moment; return the number deleted."""
    return pruning.delete_all(Delivery, Delivery.received_at < moment)


def _once(delivery_id: str, effect: Callable[[Session], None]) -> None:
    """Store a delivery and its effect in one transaction; the primary key rejects duplicates."""
    try:
        with writing() as session:
            session.add(
                Delivery(digest=digest(delivery_id.encode()), received_at=datetime.now(UTC))
            )
            try:
                session.flush()
            except IntegrityError:
                raise _SeenBefore from None
            effect(session)
    except _SeenBefore:
        logger.info("webhook redelivered", extra={"webhook_id": delivery_id})


def init_app(app: Flask) -> None:
    """Register the deletion of old deliveries."""
    pruning.register(app, "webhook_deliveries", delete_before, keep=KEEP)
