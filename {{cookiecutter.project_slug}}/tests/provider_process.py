"""The process of the tests' OpenID provider: `python -m tests.provider_process <listening socket>`.

A PUT of a path configures the response to its GET. A GET of /request-count and the path returns
the number of requests since then. Only the standard library is imported, so that the process starts
fast. It ends with its parent process, when standard input closes.
"""

import json
import socket
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REQUEST_COUNTS = "/request-count"


class Server(ThreadingHTTPServer):
    """Serves the configured responses, by path, on a socket that listens already.

    So no client has to wait for the process to start.
    """

    daemon_threads = True

    def __init__(self, listening: socket.socket, handler: "type[Handler]") -> None:
        super().__init__(listening.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.responses: dict[str, dict[str, Any]] = {}
        self.request_counts: Counter[str] = Counter()


class Handler(BaseHTTPRequestHandler):
    """Handles a request."""

    server: Server

    def do_PUT(self) -> None:
        """Configure a response: status, headers, pieces of the body, and the pause before each."""
        self.server.responses[self.path] = json.loads(self.body())
        self.server.request_counts[self.path] = 0
        self.send(204, {}, b"")

    def do_GET(self) -> None:
        """Send the configured response. Status 0 closes the connection without one."""
        if self.path.startswith(REQUEST_COUNTS):
            count = self.server.request_counts[self.path.removeprefix(REQUEST_COUNTS)]
            self.send(200, {}, str(count).encode())
        else:
            self.respond()

    def body(self) -> str:
        """Return the body of the request."""
        return self.rfile.read(int(self.headers["Content-Length"])).decode()

    def respond(self) -> None:
        """Send the configured response, and count the request."""
        self.server.request_counts[self.path] += 1
        response = self.server.responses[self.path]
        time.sleep(response["seconds"])
        if not response["status"]:
            return
        first, *others = (piece.encode() for piece in response["pieces"])
        self.send(response["status"], response["headers"], first)
        for piece in others:
            time.sleep(response["seconds"])
            self.wfile.write(piece)

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send a response, with the body or its first piece."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log nothing."""


def serve(handler: type[Handler]) -> None:
    """Serve until standard input closes."""
    server = Server(socket.socket(fileno=int(sys.argv[1])), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    serve(Handler)
