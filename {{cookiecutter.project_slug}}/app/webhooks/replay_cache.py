"""Replay protection without a database: the ids of deliveries, in the memory of this process."""

import time
from collections import OrderedDict
from threading import Lock
from typing import cast

from flask import current_app

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


def of_app() -> ReplayCache:
    """Return the replay cache of the current application."""
    return cast("ReplayCache", current_app.extensions["webhook_replay_cache"])
