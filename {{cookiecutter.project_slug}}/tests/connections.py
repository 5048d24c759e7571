"""Raw HTTP clients, and measurements of how long they delay other clients."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self

from tests.waiting import HANG_TIMEOUT_SECONDS

MAX_BACKOFF = 1.0
"""The longest acceptable delay of a client by another one, in seconds."""
PAUSE = 0.02


class Connection:
    """One end of an open TCP connection, and the HTTP messages received on it."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self._received = opened.makefile("rb")

    def __enter__(self) -> Self:
        """Return the open connection."""
        return self

    def __exit__(self, *_problem: object) -> None:
        """Close the connection."""
        self._received.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes in one segment."""
        self.socket.sendall(data)

    def send_last(self, data: bytes) -> None:
        """Send bytes, then shut down the sending side."""
        self.send(data)
        self.socket.shutdown(socket.SHUT_WR)

    def message(self) -> tuple[str, dict[str, str], bytes]:
        """Read a message: its start line, its headers by lower-case name, and its body.

        Raises:
            EOFError: when the connection is closed first.

        """
        line = self._line()
        headers: dict[str, str] = {}
        while header := self._line():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        return line, headers, self._received.read(int(headers.get("content-length", "0")))

    def read_response(self) -> tuple[int, dict[str, str], bytes]:
        """Read a response: its status, its headers by lower-case name, and its body.

        Raises:
            EOFError: when the connection is closed first.

        """
        line, headers, body = self.message()
        return int(line.split()[1]), headers, body

    def is_closed(self) -> bool:
        """Wait until the other end closes the connection; return whether it sent nothing more."""
        try:
            return self._received.read() == b""
        except ConnectionResetError:
            return True

    def _line(self) -> str:
        line = self._received.readline()
        if not line:
            raise EOFError
        return line.decode("latin-1").rstrip("\r\n")


def connection(port: int) -> Connection:
    """Connect to a port of this machine."""
    return Connection(socket.create_connection(("127.0.0.1", port), timeout=HANG_TIMEOUT_SECONDS))


@dataclass
class Waits:
    """The durations of requests, and how much longer a sleeping thread slept than it should."""

    seconds: list[float] = field(default_factory=list)
    oversleep: float = 0.0

    @property
    def longest(self) -> float:
        """The longest wait, without the delay that a busy machine adds."""
        return max(self.seconds) - self.oversleep


@contextmanager
def timing() -> Iterator[Waits]:
    """Measure the delay of the machine during the block."""
    waits = Waits()
    over = threading.Event()

    def sleep() -> None:
        while not over.is_set():
            began = time.monotonic()
            time.sleep(PAUSE)
            waits.oversleep = max(waits.oversleep, time.monotonic() - began - PAUSE)

    thread = threading.Thread(target=sleep)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()


def longest_wait(port: int, path: str = "/health/live", *, requests: int = 100) -> float:
    """Return the longest duration of GET requests, each on a new connection.

    Raises:
        OSError: when a response does not have the status 200.

    """
    with timing() as waits:
        for _ in range(requests):
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_TIMEOUT_SECONDS)
            connection.request("GET", path)
            if (status := connection.getresponse().status) != HTTPStatus.OK:
                raise OSError(status)
            connection.close()
            waits.seconds.append(time.monotonic() - began)
    return waits.longest
