"""Gunicorn's worker, with the limits that its own threads do not have.

A thread that reads a request waits for as long as the client likes: as many clients as there are
threads, each holding back the end of its request, would keep everybody else out. Here a request
has to arrive within a time. What Gunicorn itself refuses, malformed requests that never reach the
application, is answered in the one format that errors have, and repeats nothing.

Liveness probes have a thread of their own, since all others may wait for a database that is slow, and a
restart would not help. A worker that is told to stop answers every client that has reached it, and
keeps nobody waiting for those that say nothing.
"""

import os
import signal
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from secrets import token_hex
from typing import Any, ClassVar, cast

import orjson
from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import (  # type: ignore[attr-defined]  # newer than the hints
    _DEFER,
    STOP_KEEPALIVE_LINGER,
    TConn,
    ThreadWorker,
)

from app.core.errors import MEDIA_TYPE, Problem

LINGER_SECONDS = 0.5  # for a client to read what it was told last
PROBE = b"GET /health/live HTTP/1."
PEEKED_BYTES = 1_024
STOPPING = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)

_request = threading.local()
_waits: Future[Any] = Future()
_waits.set_result(_DEFER)
_receive = SocketUnreader.chunk


class Worker(ThreadWorker):
    """Gives each request a time to arrive in; reads its connections by `receive`."""

    seconds: ClassVar[float]

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Gunicorn's own
        """Hold back signals to stop: the master forks next.

        Until a worker has handlers of its own, the master's would take a signal and do nothing with
        it, and the master would then wait for the worker as long as it waits at all.
        """
        super().__init__(*args, **kwargs)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)

    def init_signals(self) -> None:
        """Let in the signals that came since the fork, now that this worker can handle them."""
        super().init_signals()
        _let_in()

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

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Make the threads, and one more for probes: the others may all wait for a dependency."""
        self._prober = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self._prober_is_free = threading.Semaphore()
        return super().get_thread_pool()

    def enqueue_req(self, conn: TConn) -> None:
        """Give a connection that has said something a thread; the others take none up."""
        said = _peek(conn.sock)
        if said is None and self.alive and not conn.initialized:
            self.finish_request(conn, _waits)
            return
        conn.data_ready = conn.data_ready or said is not None
        if _asks_whether_we_live(said) and self._prober_is_free.acquire(blocking=False):
            self._prober.submit(self.handle, conn).add_done_callback(partial(self._probed, conn))
        else:
            super().enqueue_req(conn)

    def _probed(self, conn: TConn, done: Future[bool]) -> None:
        self._prober_is_free.release()
        self.method_queue.defer(self.finish_request, conn, done)

    def handle(self, conn: TConn) -> bool:
        """Serve a request whose time begins now, and wait here for its client to hang up.

        The thread that accepts connections would otherwise wait, and let nobody else in.
        """
        # Only a worker that is stopping waits here: the request may be on its way.
        if not conn.initialized and not conn.wait_for_data(STOP_KEEPALIVE_LINGER):
            return False
        _request.until = time.monotonic() + self.seconds
        outcome = super().handle(conn)
        if outcome is False:
            util.close_graceful(conn.sock, LINGER_SECONDS)
            conn.close = _closed  # type: ignore[method-assign, assignment]  # it is
        return outcome

    def set_accept_enabled(self, enabled: bool | None) -> None:  # noqa: FBT001  Gunicorn's own
        """Accept connections or not; at the end, take those that wait in line, and close the door.

        The kernel has accepted them, so their requests may be sent already. A door that is closed
        now sends whoever comes next elsewhere, instead of letting them wait for nothing.
        """
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            listener.settimeout(0)
            before = -1
            while before < self.nr_conns < self.worker_connections:
                before = self.nr_conns
                self.accept(listener)
            listener.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """Wait no longer for a connection's first request than for its next one."""
        super()._cap_keepalive(deadline)  # type: ignore[misc]  # newer than the hints
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout or deadline, deadline)

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


def _let_in() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


# The master goes on once it has forked; its hooks have no place for that.
os.register_at_fork(after_in_parent=_let_in)


def _peek(sock: socket.socket) -> bytes | None:
    """Return what a client has sent, and leave it there; None when it has said nothing yet."""
    try:
        return sock.recv(PEEKED_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except (OSError, ValueError):  # whoever serves it will see; TLS cannot be peeked into
        return b""


def _asks_whether_we_live(said: bytes | None) -> bool:
    """Tell whether all of a liveness probe is there, so that its thread waits for nobody."""
    return bool(said and said.startswith(PROBE) and said.endswith(b"\r\n\r\n"))


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
