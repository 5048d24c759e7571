"""Each delivery takes effect once, even if it is sent again: its id is stored with its effect."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask

from app.core.api.idempotency import digest
from app.core.database import insert_if_absent, pruning, writing
from app.webhooks.handlers import Event, EventType
from app.webhooks.models import Delivery

logger = logging.getLogger(__name__)

KEEP = timedelta(days=30)  # longer than any sender retries a delivery


def process(event_type: EventType, delivery_id: str, data: Any) -> None:  # noqa: ANN401  whatever the schema loads
    """Call the handlers in one transaction with the delivery; the primary key rejects duplicates.

    What a handler raises rolls all of it back, so that a retry is processed again.
    """
    delivery = Delivery(digest=digest(delivery_id.encode()), received_at=datetime.now(UTC))
    with writing() as session:
        is_new = insert_if_absent(session, delivery)
        for handle in event_type.handlers if is_new else ():
            handle(Event(delivery_id, event_type.name, data, session))
    if not is_new:
        logger.info("webhook redelivered", extra={"webhook_id": delivery_id})


def delete_before(moment: datetime) -> int:
    """Delete the deliveries received before a moment; return the number deleted."""
    return pruning.delete_all(Delivery, Delivery.received_at < moment)


def init_app(app: Flask) -> None:
    """Register the deletion of old deliveries."""
    pruning.register(app, "webhook_deliveries", delete_before, keep=KEEP)
