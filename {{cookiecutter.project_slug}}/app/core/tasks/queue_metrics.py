"""The length of the broker's queues: one value for the broker, not one for each worker.

Each scrape of `/metrics` queries the broker from a separate thread, and waits for it at most
TASK_PUBLISH_TIMEOUT_SECONDS.
"""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from flask import Flask

from app.core import telemetry
from app.core.observability.metrics import metrics
from app.core.tasks.runner import tasks

if TYPE_CHECKING:
    from prometheus_client import Metric

logger = logging.getLogger(__name__)

QueueDepths = Callable[[], tuple[int, int]]
"""Returns the number of waiting messages, and of dead letters."""


MESSAGES = ("queue_messages", "Messages in the broker: waiting for a worker, or dead letters")


class QueueMetrics:
    """Reads the broker's queue lengths, within a timeout in seconds."""

    def __init__(self, depths: QueueDepths, timeout: float) -> None:
        self._depths = depths
        self._timeout = timeout
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="depths")

    def collect(self) -> "Iterable[Metric]":
        """Return the queue lengths; nothing if the broker fails or times out."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  see `metrics`

        future = self._thread.submit(self._depths)
        try:
            waiting, dead = future.result(self._timeout)
        except Exception as error:  # noqa: BLE001  each transport raises its own errors
            future.cancel()
            fields = {telemetry.ERROR_TYPE: type(error).__name__}
            logger.warning("queue metrics unavailable", extra=fields)
            return []
        messages = GaugeMetricFamily(*MESSAGES, labels=["state"])
        messages.add_metric(["waiting"], waiting)
        messages.add_metric(["dead"], dead)
        return [messages]


def _without_broker() -> tuple[int, int]:
    """Return zeros for an application without a broker, whose tasks run in the request."""
    return 0, 0


def init_app(app: Flask) -> None:
    """Add the queue lengths to the metrics."""
    settings, depths = tasks.of(app).settings, _without_broker
    if settings.broker_url:
        # As in `app.core.tasks`: Celery is slow to import.
        from app.core.tasks.celery_app import broker  # noqa: PLC0415

        depths = broker.of(app).depths
    collector = QueueMetrics(depths, settings.task_publish_timeout_seconds)
    metrics.of(app).add_collector({MESSAGES: ("state",)}, collector.collect)
