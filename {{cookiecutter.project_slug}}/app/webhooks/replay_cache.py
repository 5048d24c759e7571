"""Replay protection without a database: the ids of deliveries, in the memory of this process."""

import time
from collections import OrderedDict
from threading import Lock

from flask import Flask

from app.core.extension import Extension
from app.webhooks.signatures import WebhookSettings

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


replay_cache = Extension[ReplayCache]("replay_cache")


def init_app(app: Flask, settings: WebhookSettings) -> None:
    """Give the application an empty replay cache."""
    # A timestamp may be off by the tolerance in both directions.
    replay_cache.set(app, ReplayCache(2 * settings.webhook_tolerance_seconds))
