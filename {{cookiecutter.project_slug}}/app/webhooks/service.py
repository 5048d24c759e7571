"""Each delivery takes effect once, even if it is sent again: its id is stored with its effect."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy.exc import IntegrityError

from app.core.api.idempotency import digest
from app.core.database import pruning, writing
from app.webhooks.handlers import Event, EventType
from app.webhooks.models import Delivery

logger = logging.getLogger(__name__)

KEEP = timedelta(days=30)  # longer than any sender retries a delivery


class _SeenBefore(Exception):  # noqa: N818  not an error: it rolls a transaction back
    """The delivery has been processed already."""


def process(event_type: EventType, delivery_id: str, data: Any) -> None:  # noqa: ANN401  whatever the schema loads
    """Call the handlers in one transaction with the delivery; the primary key rejects duplicates.

    What a handler raises rolls all of it back, so that a retry is processed again.
    """
    try:
        with writing() as session:
            session.add(
                Delivery(digest=digest(delivery_id.encode()), received_at=datetime.now(UTC))
            )
            try:
                session.flush()
            except IntegrityError:
                raise _SeenBefore from None
            for handle in event_type.handlers:
                handle(Event(delivery_id, event_type.name, data, session))
    except _SeenBefore:
        logger.info("webhook redelivered", extra={"webhook_id": delivery_id})


def delete_before(moment: datetime) -> int:
    """Delete the deliveries received before a moment; return the number deleted."""
    return pruning.delete_all(Delivery, Delivery.received_at < moment)


def init_app(app: Flask) -> None:
    """Register the deletion of old deliveries."""
    pruning.register(app, "webhook_deliveries", delete_before, keep=KEEP)
