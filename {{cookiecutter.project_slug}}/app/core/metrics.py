"""Prometheus metrics at `/metrics`, right under several workers, for direct callers inside.

Under Gunicorn each worker keeps its numbers in files, and whichever worker is asked adds up those
of all. prometheus_client decides for files when it is imported, so that happens in the worker,
after the master has made their folder.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from flask import Blueprint, Flask, Response

from app.core import internal, pipeline
from app.core.internal import InternalSettings
from app.core.pipeline import Exchange

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
MEMORY = Path("/dev/shm")  # nosec B108 # noqa: S108  only folders with names of their own are made there
# Seconds: fine where a healthy service answers, coarse up to Gunicorn's own limit.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Observes requests: how many, how long, by method, route template and status."""

    def __init__(self) -> None:
        """Keep a registry of this application's own."""
        from prometheus_client import CollectorRegistry, Histogram  # noqa: PLC0415  see above

        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "http_server_request_duration_seconds",
            "Time from the first byte in to the last byte out",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self._registry,
        )

    def began(self, exchange: Exchange) -> None:
        """Wait for the end: one observation says it all."""

    def finished(self, exchange: Exchange) -> None:
        """Count the request; what a client can make up is no label."""
        route = exchange.route or "_unmatched"
        self._seconds.labels(exchange.method, route, str(exchange.status)).observe(exchange.seconds)

    def exposition(self) -> Response:
        """Return the numbers, of all workers if there are several, in Prometheus' text format."""
        from prometheus_client import (  # noqa: PLC0415  see above
            CONTENT_TYPE_LATEST,
            CollectorRegistry,
            generate_latest,
        )
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

        registry = self._registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the rest is typed
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def init_app(app: Flask, settings: InternalSettings) -> None:
    """Count every request but those that watch the service, and serve the numbers inside."""
    metrics = Metrics()
    blueprint = Blueprint("metrics", __name__)
    internal.guard(blueprint, settings)
    blueprint.add_url_rule("/metrics", view_func=metrics.exposition)
    app.register_blueprint(blueprint)
    around = pipeline.of(app)
    around.quiet_blueprints.add(blueprint.name)
    around.observers.append(metrics)


class Worker(Protocol):
    """What is asked of a Gunicorn worker, which has no type hints."""

    pid: int


def on_starting(server: object) -> None:
    """Make the folder of the workers' files; always a new one, as the numbers start at zero."""
    del server
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="metrics-", dir=place)


def child_exit(server: object, worker: Worker) -> None:
    """Drop what only a living worker can mean; its counts stay in the sum."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415  see above

    del server
    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # the rest is typed


def on_exit(server: object) -> None:
    """Remove the folder."""
    del server
    shutil.rmtree(os.environ[FOLDER], ignore_errors=True)


# In the order in which gunicorn.conf.py gives them their names.
GUNICORN_HOOKS = (on_starting, child_exit, on_exit)
