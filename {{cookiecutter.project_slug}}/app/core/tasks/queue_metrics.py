"""How many messages lie in the broker's queues: a value of the broker, not of a worker.

The broker is asked at each look at `/metrics`, by a thread that is not waited for longer than
TASK_PUBLISH_TIMEOUT_SECONDS.
"""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from flask import Flask

from app.core import telemetry
from app.core.observability import metrics
from app.core.tasks import runner

if TYPE_CHECKING:
    from prometheus_client import Metric

logger = logging.getLogger(__name__)

Depths = Callable[[], tuple[int, int]]
"""Returns how many messages wait, and how many are dead letters."""


class QueueMetrics:
    """Asks the broker what its queues hold."""

    def __init__(self, depths: Depths, seconds: float) -> None:
        """Take whom to ask, and for how long to wait."""
        self._depths = depths
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="depths")

    def ask(self) -> "Iterable[Metric]":
        """Return what the queues hold; nothing, when the broker does not tell in time."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  see `metrics`

        asked = self._thread.submit(self._depths)
        try:
            waiting, dead = asked.result(self._seconds)
        except Exception as error:  # noqa: BLE001  each transport has its own
            asked.cancel()
            words = {telemetry.ERROR_TYPE: type(error).__name__}
            logger.warning("queue metrics unavailable", extra=words)
            return []
        messages = GaugeMetricFamily(
            "queue_messages",
            "Messages that no worker has taken yet, and dead letters",
            labels=["state"],
        )
        messages.add_metric(["waiting"], waiting)
        messages.add_metric(["dead"], dead)
        return [messages]


def _nothing_waits() -> tuple[int, int]:
    """Speak for an application without a broker, whose tasks run where they are asked for."""
    return 0, 0


def init_app(app: Flask) -> None:
    """Show what the queues hold."""
    own = runner.of(app)
    depths = app.extensions["broker"].depths if "broker" in app.extensions else _nothing_waits
    asking = QueueMetrics(depths, own.settings.task_publish_timeout_seconds)
    metrics.of(app).shared.append(asking.ask)
