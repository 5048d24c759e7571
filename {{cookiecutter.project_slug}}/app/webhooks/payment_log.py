"""The effect of payments in a service without a database: a log line, once for each delivery."""

import logging
from typing import TypedDict
from uuid import UUID

from app.webhooks.replay_cache import replay_cache

logger = logging.getLogger(__name__)


class Payment(TypedDict):
    """A payment, as validated by the schema."""

    order_id: UUID
    amount_cents: int
    currency: str


def payment_succeeded(delivery_id: str, payment: Payment) -> None:
    """Log a payment, once for each delivery id."""
    if replay_cache.current.first(delivery_id):
        logger.info(
            "payment received",
            extra={"webhook_id": delivery_id, "order_id": str(payment["order_id"])},
        )
    else:
        logger.info("webhook redelivered", extra={"webhook_id": delivery_id})
