"""What tasks are run, what they come to and how long they take; workers show it at a port of their own.

A worker's processes count in files, as those of Gunicorn do (`multiprocess`), and its first process
answers for all of them. What ran in one that is gone is merged whenever somebody looks.
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
from app.core.observability import metrics, multiprocess
from app.core.observability.metrics import Metrics
from app.core.pipeline import RequestInfo
from app.core.tasks import runner
from app.core.tasks.runner import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from prometheus_client import Gauge, Metric

logger = logging.getLogger(__name__)

# Seconds: fine where an email is sent, coarse up to what a patient operator allows.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
SILENT_SECONDS = 5  # how long a caller may say nothing
BUILD = "service_build_info"


class TaskMetricsSettings(InternalSettings):
    """Where a worker shows its metrics, beside HOST."""

    worker_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Unset: nowhere."""


class ActiveRuns:
    """Follows messages while they are run."""

    def __init__(self, active: "Gauge") -> None:
        """Take where to count them."""
        self._active = active

    def headers(self) -> Mapping[str, str]:
        """Add nothing."""
        return {}

    def publishing(self, message: Message) -> AbstractContextManager[Mapping[str, str]]:
        """Add nothing."""
        del message
        return nullcontext({})

    def running(self, message: Message, info: RequestInfo) -> AbstractContextManager[object]:
        """Count a run, as long as it lasts."""
        del message, info
        return self._active.track_inprogress()


def init_app(app: Flask) -> None:
    """Count the runs of all tasks."""
    of, own = metrics.of(app), runner.of(app)
    name = metrics.label(runner.TASK_NAME)
    runs = of.counter("task_runs_total", "Runs, by what they came to", [name, "outcome"])
    took = of.histogram(
        "task_run_duration_seconds", "Time from a message's arrival to its end", [name], BUCKETS
    )
    own.observers.append(ActiveRuns(of.gauge("task_runs_active", "Tasks that run now")))
    # A rate needs a start.
    runs.labels(runner.UNKNOWN, "dead")

    def begin_at_zero(task: str) -> None:
        took.labels(task)
        for outcome in runner.OUTCOMES:
            runs.labels(task, outcome)

    own.on_added.append(begin_at_zero)

    def count(_sender: Flask, *, task: str, outcome: str, seconds: float) -> None:
        runs.labels(task, outcome).inc()
        took.labels(task).observe(seconds)

    runner.ended.connect(count, sender=app, weak=False)


def begin(settings: TaskMetricsSettings) -> None:
    """Let this process and its children count in files, if anybody is to see them.

    That has to be before the application is made: prometheus_client decides it once.
    """
    if settings.worker_metrics_port is not None:
        atexit.register(_remove, multiprocess.make_folder(), os.getpid())


def _remove(place: Path, maker: int) -> None:
    """Remove the folder, unless this is only a fork of who made it."""
    if os.getpid() == maker:
        shutil.rmtree(place, ignore_errors=True)


class Living:
    """The processes that live, by their ids; the kernel is asked each time."""

    def __contains__(self, pid: object) -> bool:
        """Tell whether a process lives; nobody else's has our files."""
        try:
            os.kill(cast("int", pid), 0)
        except OSError:
            return False
        return True


def look(own: Metrics) -> "list[Metric]":
    """Return what all processes of this worker ran, past ones included."""
    place = multiprocess.folder()
    if place is not None:
        try:
            multiprocess.merge(place, Living())
        except BlockingIOError:
            pass  # somebody else looks; files that are not merged are read all the same
        except Exception:
            logger.exception("metrics merge failed")
    return [each for each in own.numbers() if each.name.startswith("task_") or each.name == BUILD]


def exposition(
    own: Metrics, settings: TaskMetricsSettings
) -> "Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]":
    """Make what answers `GET /metrics` to direct callers from the internal networks."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        status, content_type, body = "404 Not Found", "text/plain", b""
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if asked == ("GET", "/metrics") and is_inside(environ, settings.internal_networks):
            try:
                content_type, body = metrics.encoded(look(own), environ.get("HTTP_ACCEPT", ""))
                status = "200 OK"
            except Exception:
                logger.exception("metrics exposition failed")
                status = "500 Internal Server Error"
        # Python would name itself and its version.
        start_response(status, [("Content-Type", content_type), ("Server", "worker")])
        return [body]

    return answer


class _Quiet(WSGIRequestHandler):
    """Writes nothing, and waits for nobody for long."""

    timeout = SILENT_SECONDS

    def version_string(self) -> str:
        return "worker"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in Python
        """Leave out what would be a line for every look."""


class Server(ThreadingMixIn, WSGIServer):
    """Answers callers, each in a thread of its own."""

    daemon_threads = True
    allow_reuse_port = False  # a second worker at the same port has to be told

    def __init__(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: when that cannot be, as the port is taken.

        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Quiet)

    def server_bind(self) -> None:
        """Ask no name server what this machine is called, as Python would."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        """Let a caller go away whenever it likes."""


def serve(app: Flask, settings: TaskMetricsSettings) -> None:
    """Show the numbers of this worker as soon as it takes tasks."""
    port = settings.worker_metrics_port
    if port is None:
        return
    # Celery takes long to load, and only workers come here.
    from celery import signals  # noqa: PLC0415

    def start(**_: object) -> None:
        try:
            server = Server(settings.host, port)
        except OSError as error:
            # Tasks are what matters: they are run, and a look that fails tells that nothing is shown.
            words = {
                telemetry.SERVER_ADDRESS: settings.host,
                telemetry.SERVER_PORT: port,
                telemetry.EXCEPTION_MESSAGE: str(error),
            }
            logger.error("metrics server failed to start", extra=words)  # noqa: TRY400
            return
        server.set_app(exposition(metrics.of(app), settings))
        # Processes that are forked later would keep the port when this one has ended.
        signals.worker_process_init.connect(lambda **_: server.socket.close(), weak=False)
        Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    signals.worker_ready.connect(start, weak=False)
