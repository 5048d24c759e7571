"""Remembers deliveries in this process, as long as their timestamp would let them in again."""

import logging
import time
from collections import OrderedDict
from threading import Lock
from typing import TypedDict
from uuid import UUID

from flask import current_app

logger = logging.getLogger(__name__)

MAX_DELIVERIES = 10_000  # deliveries remembered; only senders who hold a secret get this far


class Payment(TypedDict):
    """What was paid, as the schema lets it through."""

    order_id: UUID
    amount_cents: int
    currency: str


class ReplayCache:
    """The ids of the last deliveries."""

    def __init__(self, seconds: float) -> None:
        """Take how long an id is remembered."""
        self._seconds = seconds
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = Lock()

    def first(self, delivery_id: str) -> bool:
        """Tell whether this id comes for the first time, and remember it."""
        now = time.monotonic()
        with self._lock:
            if self._until.get(delivery_id, now) > now:
                return False
            self._until[delivery_id] = now + self._seconds
            self._until.move_to_end(delivery_id)
            while len(self._until) > MAX_DELIVERIES or next(iter(self._until.values())) <= now:
                self._until.popitem(last=False)
            return True


def payment_succeeded(delivery_id: str, payment: Payment) -> None:
    """Log the payment, once."""
    replays: ReplayCache = current_app.extensions["webhook_replay_cache"]
    if replays.first(delivery_id):
        logger.info(
            "payment received",
            extra={"webhook_id": delivery_id, "order_id": str(payment["order_id"])},
        )
    else:
        logger.info("webhook redelivered", extra={"webhook_id": delivery_id})
