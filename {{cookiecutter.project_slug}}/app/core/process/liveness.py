"""Liveness probes, answered by a thread of their own in each worker, at a port of their own.

All threads that serve requests may wait for a slow database, with more requests queued behind them; a
probe in that queue would time out, and the platform would restart what a restart does not help. So
Gunicorn's master opens LIVENESS_PORT, and each worker answers there beside its requests (Gunicorn's
hooks `when_ready` and `post_worker_init`). An answer says that a worker process lives and runs Python.
"""

import math
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from app.core.config import InvalidSettings

PATH = "/health/live"
BODY = b'{"status":"ok"}'
SILENT_SECONDS = 5  # how long a client may say nothing

WORKER_TIMEOUT_SECONDS = 30
"""Gunicorn's `timeout`: its master replaces a worker that shows no sign of life for so long."""
START_SECONDS = 20
"""The longest that a worker may take to load the application."""
PERIOD_SECONDS = 10
TIMEOUT_SECONDS = 5
FAILURE_THRESHOLD = math.ceil((WORKER_TIMEOUT_SECONDS + START_SECONDS) / PERIOD_SECONDS) + 1
"""Failed probes in a row that justify a restart: Gunicorn's own repair always comes first."""

_listeners: list[socket.socket] = []
"""What the master opened; workers inherit it, and `HUP` keeps it."""


class _Handler(BaseHTTPRequestHandler):
    timeout = SILENT_SECONDS

    def do_GET(self) -> None:
        """Answer the probe."""
        status, body = (HTTPStatus.OK, BODY) if self.path == PATH else (HTTPStatus.NOT_FOUND, b"")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        """Answer a probe such as `wget --spider`."""
        self.do_GET()

    def version_string(self) -> str:
        """Name no software."""
        return "web"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in Python
        """Write no line for each probe."""


class LivenessServer(ThreadingHTTPServer):
    """Answers probes at a socket that listens already."""

    def __init__(self, listener: socket.socket) -> None:
        """Take the socket; other workers accept from it, too."""
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def handle_error(self, request: object, client_address: object) -> None:
        """Let a client go away at any time."""


def listen(host: str, port: int | None) -> None:
    """Open the port in the master (Gunicorn's `when_ready`); without a port, nothing.

    Raises:
        InvalidSettings: when it cannot be opened.

    """
    if port is None:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Shared with the new master of a `USR2`. Non-blocking: several workers wait at it.
        listener = socket.create_server(
            (host, port),
            family=family,
            dualstack_ipv6=family == socket.AF_INET6,
            reuse_port=True,
        )
    except OSError as error:
        raise InvalidSettings({"LIVENESS_PORT": f"cannot be opened: {error.strerror}"}) from None
    listener.settimeout(0)
    _listeners.append(listener)


def serve() -> list[LivenessServer]:
    """Answer probes in a thread of this worker (Gunicorn's `post_worker_init`)."""
    servers = [LivenessServer(listener) for listener in _listeners]
    for server in servers:
        Thread(target=server.serve_forever, name="liveness", daemon=True).start()
    return servers
