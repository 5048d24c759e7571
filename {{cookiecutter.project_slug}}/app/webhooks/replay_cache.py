"""Replay protection without a database: the ids of deliveries, in the memory of this process."""

import logging
import time
from collections import OrderedDict
from threading import Lock
from typing import Any

from flask import Flask

from app.core import (  # one line where it fits
    # {% if cookiecutter.database != "none" %}
    database,
    # {% endif %}
    extension,
)
from app.webhooks.handlers import Event, EventType
from app.webhooks.signatures import WebhookSettings

logger = logging.getLogger(__name__)

MAX_DELIVERIES = 10_000  # ids stored; only senders with a valid signature add any


class ReplayCache:
    """The ids of recent deliveries, each stored for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = Lock()

    def first(self, delivery_id: str) -> bool:
        """Return whether this id is new, and store it."""
        now = time.monotonic()
        with self._lock:
            if self._until.get(delivery_id, now) > now:
                return False
            self._until[delivery_id] = now + self._seconds
            self._until.move_to_end(delivery_id)
            while len(self._until) > MAX_DELIVERIES or next(iter(self._until.values())) <= now:
                self._until.popitem(last=False)
            return True

    def forget(self, delivery_id: str) -> None:
        """Remove an id, so that a retry is processed again."""
        with self._lock:
            self._until.pop(delivery_id, None)


replay_cache = extension.Extension[ReplayCache]("replay_cache")


def process(event_type: EventType, delivery_id: str, data: Any) -> None:  # noqa: ANN401  whatever the schema loads
    """Call the handlers of an event, once for each delivery; a retry after a failure calls them again."""
    if not replay_cache.current.first(delivery_id):
        logger.info("webhook redelivered", extra={"webhook_id": delivery_id})
        return
    event = Event(  # one line where it fits
        delivery_id,
        event_type.name,
        data,
        # {% if cookiecutter.database != "none" %}
        database.Session(),
        # {% endif %}
    )
    try:
        for handle in event_type.handlers:
            handle(event)
    except Exception:
        replay_cache.current.forget(delivery_id)
        raise


def init_app(app: Flask, settings: WebhookSettings) -> None:
    """Give the application an empty replay cache."""
    # A timestamp may be off by the tolerance in both directions.
    replay_cache.set(app, ReplayCache(2 * settings.webhook_tolerance_seconds))
