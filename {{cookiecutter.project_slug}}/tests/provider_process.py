"""The process of the tests' OpenID provider: `python -m tests.provider_process <listening socket>`.

It answers what it is told. PUT of a path says what GET of it answers from then on, and GET of
/asked and the path, how often it was asked since. Only the standard library is loaded, because
every test run starts it. It ends with whoever started it: standard input closes then.
"""

import json
import socket
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ASKED = "/asked"


class Server(ThreadingHTTPServer):
    """Keeps what to answer, by path."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, handler: "type[Handler]") -> None:
        """Serve a socket that listens already, so that nobody has to wait for the process."""
        super().__init__(listening.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.answers: dict[str, dict[str, Any]] = {}
        self.asked: Counter[str] = Counter()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_PUT(self) -> None:
        """Take what to answer: status, headers, and the pieces of a body with a pause in between."""
        self.server.answers[self.path] = json.loads(self.body())
        self.server.asked[self.path] = 0
        self.send(204, {}, b"")

    def do_GET(self) -> None:
        """Answer as told; status 0 closes the connection without a word."""
        if self.path.startswith(ASKED):
            asked = self.server.asked[self.path.removeprefix(ASKED)]
            self.send(200, {}, str(asked).encode())
        else:
            self.answer()

    def body(self) -> str:
        """Return what was sent."""
        return self.rfile.read(int(self.headers["Content-Length"])).decode()

    def answer(self) -> None:
        """Answer as told."""
        self.server.asked[self.path] += 1
        answer = self.server.answers[self.path]
        time.sleep(answer["seconds"])
        if not answer["status"]:
            return
        first, *others = (piece.encode() for piece in answer["pieces"])
        self.send(answer["status"], answer["headers"], first)
        for piece in others:
            time.sleep(answer["seconds"])
            self.wfile.write(piece)

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send an answer, or its first piece."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Keep quiet."""


def serve(handler: type[Handler]) -> None:
    """Serve until standard input closes."""
    server = Server(socket.socket(fileno=int(sys.argv[1])), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    serve(Handler)
