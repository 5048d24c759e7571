"""Clients that write to a socket themselves, and how long they make others wait."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.waiting import HANG_TIMEOUT_SECONDS

LONGEST_WAIT = 1.0
"""Seconds that a client may wait because of another one."""
PAUSE = 0.02


class Connection:
    """A TCP connection, and the answers that come over it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=HANG_TIMEOUT_SECONDS)
        self._received = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send bytes in one segment."""
        self.socket.sendall(data)

    def send_last(self, data: bytes) -> None:
        """Send bytes, and that no more will follow."""
        self.send(data)
        self.socket.shutdown(socket.SHUT_WR)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read the next answer: its status, its headers by lower-case name, its body.

        Raises:
            EOFError: when the connection ends first.

        """
        line = self._line()
        headers: dict[str, str] = {}
        while field_line := self._line():
            name, _, value = field_line.partition(":")
            headers[name.lower()] = value.strip()
        body = self._received.read(int(headers.get("content-length", "0")))
        return int(line.split()[1]), headers, body

    def is_closed(self) -> bool:
        """Wait for the server to close the connection; tell whether it did so without a word."""
        try:
            return self._received.read() == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        """Close it."""
        self._received.close()
        self.socket.close()

    def _line(self) -> str:
        line = self._received.readline()
        if not line:
            raise EOFError
        return line.decode("latin-1").rstrip("\r\n")


@contextmanager
def connection(port: int) -> Iterator[Connection]:
    """Open a connection and close it at the end."""
    opened = Connection(port)
    try:
        yield opened
    finally:
        opened.close()


@dataclass
class Waits:
    """How long requests took, and how long the machine kept a thread that only slept."""

    seconds: list[float] = field(default_factory=list)
    oversleep: float = 0.0

    @property
    def longest(self) -> float:
        """The longest wait, less what a machine that is busy with other things added to it."""
        return max(self.seconds) - self.oversleep


@contextmanager
def timing() -> Iterator[Waits]:
    """Measure the machine meanwhile."""
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


def others_wait(port: int, *, requests: int = 100) -> float:
    """Return the longest wait of clients that ask for liveness, each on a connection of its own.

    Raises:
        OSError: when one is not answered with 200.

    """
    with timing() as waits:
        for _ in range(requests):
            began = time.monotonic()
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_TIMEOUT_SECONDS)
            asked.request("GET", "/health/live")
            if (status := asked.getresponse().status) != HTTPStatus.OK:
                raise OSError(status)
            asked.close()
            waits.seconds.append(time.monotonic() - began)
    return waits.longest
