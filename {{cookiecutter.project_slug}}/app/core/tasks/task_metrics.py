"""Task metrics: runs, outcomes and durations, which each worker serves on its own port.

A worker's processes count in files, as Gunicorn's do (`multiprocess`), and its main process serves
the totals. Each scrape merges the files of processes that have exited.
"""

import atexit
import logging
import os
import shutil
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flask import Flask
from pydantic import Field

from app.core import telemetry
from app.core.internal import InternalSettings, is_inside
from app.core.observability import multiprocess
from app.core.observability.metrics import Metrics, encoded, label, metrics
from app.core.pipeline import RequestInfo
from app.core.tasks import runner
from app.core.tasks.runner import Message, tasks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from prometheus_client import Gauge, Metric

logger = logging.getLogger(__name__)

# Seconds: fine for tasks such as sending an email, coarse for long ones.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
CLIENT_TIMEOUT_SECONDS = 5  # for a client that sends nothing
BUILD_INFO = "service_build_info"


class TaskMetricsSettings(InternalSettings):
    """Worker metrics."""

    worker_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """The port at HOST where each worker of background tasks serves its metrics; unset: none."""


class ActiveRuns:
    """Counts the messages that are being run."""

    def __init__(self, active: "Gauge") -> None:
        self._active = active

    def headers(self) -> Mapping[str, str]:
        """Add no headers."""
        return {}

    def publishing(self, message: Message) -> AbstractContextManager[Mapping[str, str]]:
        """Add no headers."""
        del message
        return nullcontext({})

    def running(self, message: Message, info: RequestInfo) -> AbstractContextManager[object]:
        """Count a run while it lasts."""
        del message, info
        return self._active.track_inprogress()


def init_app(app: Flask) -> None:
    """Record the runs of all tasks."""
    registry, own_tasks = metrics.of(app), tasks.of(app)
    name = label(telemetry.TASK_NAME)
    runs = registry.counter(
        "task_runs_total",
        "Runs of background tasks, by outcome: done, postponed, failed (tried again) or dead",
        [name, "outcome"],
    )
    durations = registry.histogram(
        "task_run_duration_seconds",
        "Time from the arrival of a message to the end of its run, in seconds",
        [name],
        BUCKETS,
    )
    own_tasks.observers.append(
        ActiveRuns(registry.gauge("task_runs_active", "Background tasks that are running"))
    )
    # A rate needs a first value.
    runs.labels(runner.UNKNOWN, "dead")

    def add_labels(task: str) -> None:
        durations.labels(task)
        for outcome in runner.OUTCOMES:
            runs.labels(task, outcome)

    own_tasks.on_added.append(add_labels)

    def count(_sender: Flask, *, task: str, outcome: str, seconds: float) -> None:
        runs.labels(task, outcome).inc()
        durations.labels(task).observe(seconds)

    runner.run_finished.connect(count, sender=app, weak=False)


def enable_multiprocess_mode(settings: TaskMetricsSettings) -> None:
    """Use prometheus_client's multiprocess mode in this process and its children.

    It is not used if no metrics are served.

    Call it before the application is created: prometheus_client decides once, when it is imported.
    """
    if settings.worker_metrics_port is not None:
        atexit.register(_remove, multiprocess.make_folder(), os.getpid())


def _remove(folder: Path, owner: int) -> None:
    """Remove the folder, unless this process is a fork of the one that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


class RunningProcesses:
    """The ids of running processes; each lookup asks the kernel."""

    def __contains__(self, pid: object) -> bool:
        """Return whether a process is running; another user's process has no files of ours."""
        try:
            os.kill(cast("int", pid), 0)
        except OSError:
            return False
        return True


def collect(registry: Metrics) -> "list[Metric]":
    """Return the metrics of all processes of this worker, including those that have exited."""
    folder = multiprocess.folder()
    if folder is not None:
        try:
            multiprocess.merge(folder, RunningProcesses())
        except BlockingIOError:
            pass  # another scrape is reading; files that are not merged are read as well
        except Exception:
            logger.exception("metrics merge failed")
    return [
        each
        for each in registry.collect()
        if each.name.startswith("task_") or each.name == BUILD_INFO
    ]


def make_wsgi_app(
    registry: Metrics, settings: TaskMetricsSettings
) -> "Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]":
    """Return a WSGI application that serves `/metrics` to direct clients on internal networks."""

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        status, content_type, body = "404 Not Found", "text/plain", b""
        target = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if target == ("GET", "/metrics") and is_inside(environ, settings.internal_networks):
            try:
                content_type, body = encoded(collect(registry), environ.get("HTTP_ACCEPT", ""))
                status = "200 OK"
            except Exception:
                logger.exception("metrics exposition failed")
                status = "500 Internal Server Error"
        # By default, wsgiref would send its own and Python's version.
        start_response(status, [("Content-Type", content_type), ("Server", "worker")])
        return [body]

    return wsgi_app


class _Handler(WSGIRequestHandler):
    """Logs nothing, and disconnects clients that send nothing."""

    timeout = CLIENT_TIMEOUT_SECONDS

    def version_string(self) -> str:
        return "worker"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in Python
        """Log nothing: there would be a line for each scrape."""


class Server(ThreadingMixIn, WSGIServer):
    """Serves each client in its own thread."""

    daemon_threads = True
    allow_reuse_port = False  # a second worker on the same port must fail

    def __init__(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: when it cannot listen, for example because the port is in use.

        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without the DNS lookup of the host name that Python's HTTPServer makes."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore the error: a client may disconnect at any time."""


def serve(app: Flask, settings: TaskMetricsSettings) -> None:
    """Serve the metrics of this worker as soon as it accepts tasks."""
    port = settings.worker_metrics_port
    if port is None:
        return
    # Celery is slow to import, and only workers get here.
    from celery import signals  # noqa: PLC0415

    def start(**_: object) -> None:
        try:
            server = Server(settings.host, port)
        except OSError as error:
            # Tasks run all the same; the failing scrape shows that there are no metrics.
            fields = {
                telemetry.SERVER_ADDRESS: settings.host,
                telemetry.SERVER_PORT: port,
                telemetry.EXCEPTION_MESSAGE: str(error),
            }
            logger.error("metrics server failed to start", extra=fields)  # noqa: TRY400
            return
        server.set_app(make_wsgi_app(metrics.of(app), settings))
        # Otherwise child processes would hold the port open after this one has ended.
        signals.worker_process_init.connect(lambda **_: server.socket.close(), weak=False)
        Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    signals.worker_ready.connect(start, weak=False)
