"""Gunicorn's worker, with the limits that its own threads do not have.

A thread that reads a request waits for as long as the client likes: as many clients as there are
threads, each holding back the end of its request, would keep everybody else out. Here a request
has to arrive within a time. What Gunicorn itself refuses, malformed requests that never reach the
application, is answered in the one format that errors have, and repeats nothing.
"""

import socket
import threading
import time
from secrets import token_hex
from typing import ClassVar, cast

import orjson
from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import _DEFER, TConn, ThreadWorker  # type: ignore[attr-defined]  # its third outcome

from app.core.errors import MEDIA_TYPE, Problem

LINGER_SECONDS = 0.5  # for a client to read what it was told last

_request = threading.local()
_receive = SocketUnreader.chunk


class Worker(ThreadWorker):
    """Gives each request a time to arrive in; reads its connections by `receive`."""

    seconds: ClassVar[float]

    @classmethod
    def setup(cls) -> None:
        """Put these limits into this process; Gunicorn calls it before it makes a worker."""
        SocketUnreader.chunk = receive  # type: ignore[method-assign, assignment]  # no setting has it
        util.write_error = refuse  # type: ignore[assignment]  # our name for a parameter
        # Which server this is helps nobody but who looks for one with known flaws.
        wsgi.SERVER = "web"  # type: ignore[attr-defined]  # it is imported there

    def load_wsgi(self) -> None:
        """Load the application, and let it answer bodies that are not HTTP."""
        super().load_wsgi()
        # Chunks are read when the application asks for them, so it is told what is wrong with them.
        cast("Flask", self.wsgi).register_error_handler(ParseException, _malformed)

    def handle(self, conn: TConn) -> bool:
        """Serve a request whose time begins now, and wait here for its client to hang up.

        The thread that accepts connections would otherwise wait, and let nobody else in.
        """
        # No thread waits for a client that says nothing. A worker that stops would hang up on it,
        # although its request may be on the way; it takes no others in, so this one may wait.
        if not conn.initialized and not conn.wait_for_data(0 if self.alive else LINGER_SECONDS):
            return cast("bool", _DEFER)
        _request.until = time.monotonic() + self.seconds
        outcome = super().handle(conn)
        if outcome is False:
            util.close_graceful(conn.sock, LINGER_SECONDS)
            conn.close = _closed  # type: ignore[method-assign, assignment]  # it is
        return outcome

    def handle_request(self, req: Request, conn: TConn) -> bool:
        """Run the application; a client that does not take its answer is let go.

        Raises:
            NoMoreData: as for a client that went away.

        """
        conn.sock.settimeout(self.seconds)
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            raise NoMoreData from None


def _malformed(error: Exception) -> ResponseReturnValue:
    del error
    return current_app.handle_user_exception(Problem())


def _closed(*, graceful: bool = False) -> None:
    """Close nothing twice."""


def receive(reader: SocketUnreader, size_hint: int | None = None) -> bytes:
    """Read the next part of a request, or end its connection when its time is over.

    Raises:
        NoMoreData: as for a client that went away.

    """
    remaining = _request.until - time.monotonic()
    if remaining <= 0:
        raise NoMoreData
    before = reader.sock.gettimeout()
    reader.sock.settimeout(remaining if before is None else min(before, remaining))
    try:
        return _receive(reader, size_hint)  # type: ignore[call-arg]  # newer than the hints
    except TimeoutError:
        raise NoMoreData from None
    finally:
        reader.sock.settimeout(before)


def refuse(sock: socket.socket, status: int, reason: str, message: str) -> None:
    """Answer a request that is not HTTP with a problem document; it is not told what is wrong."""
    del message
    body = orjson.dumps(
        {
            "type": "about:blank",
            "title": reason,
            "status": status,
            "code": "_".join(reason.lower().split()),
            "detail": "The request could not be understood.",
            "request_id": token_hex(16),
        }
    )
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    )
    util.write_nonblock(sock, head.encode("latin-1") + body)
