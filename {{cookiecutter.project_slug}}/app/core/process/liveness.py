"""Liveness probes, answered by a separate thread of each worker, on a separate port.

All threads that serve requests may be waiting for a slow database, with more requests queued behind
them. A probe in that queue would time out, and the platform would restart the service, which does
not help. So Gunicorn's master opens LIVENESS_PORT, and each worker answers there independently of
its requests (Gunicorn's hooks `when_ready` and `post_worker_init`). A response shows that a worker
process is alive and runs Python.
"""

import math
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from app.core.config import InvalidSettings

PATH = "/health/live"
BODY = b'{"status":"ok"}'
CLIENT_TIMEOUT_SECONDS = 5  # for a client that sends nothing

WORKER_TIMEOUT_SECONDS = 30
"""Gunicorn's `timeout`: the master replaces a worker without a heartbeat for this long."""
START_SECONDS = 20
"""The maximum time for a worker to load the application."""
PERIOD_SECONDS = 10
TIMEOUT_SECONDS = 5
FAILURE_THRESHOLD = math.ceil((WORKER_TIMEOUT_SECONDS + START_SECONDS) / PERIOD_SECONDS) + 1
"""Consecutive failed probes before a restart, so that Gunicorn's own recovery comes first."""

_listeners: list[socket.socket] = []
"""The sockets that the master has opened. Workers inherit them, and they survive a `HUP`."""


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_TIMEOUT_SECONDS

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
        """Return a name that does not reveal the software."""
        return "web"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Log nothing, because probes are frequent."""


class LivenessServer(ThreadingHTTPServer):
    """Answers probes on a socket that is already listening, which all workers share."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors, because a client may disconnect at any time."""


def listen(host: str, port: int | None) -> None:
    """Open the port in the master (Gunicorn's `when_ready`); without a port, do nothing.

    Raises:
        InvalidSettings: when the port cannot be opened.

    """
    if port is None:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # `reuse_port` lets the new master of a `USR2` open the same port.
        listener = socket.create_server(
            (host, port),
            family=family,
            dualstack_ipv6=family == socket.AF_INET6,
            reuse_port=True,
        )
    except OSError as error:
        raise InvalidSettings({"LIVENESS_PORT": f"cannot be opened: {error.strerror}"}) from None
    listener.settimeout(0)  # non-blocking, because several workers wait for connections
    _listeners.append(listener)


def serve() -> list[LivenessServer]:
    """Start answering probes in a thread of this worker (Gunicorn's `post_worker_init`)."""
    servers = [LivenessServer(listener) for listener in _listeners]
    for server in servers:
        Thread(target=server.serve_forever, name="liveness", daemon=True).start()
    return servers
