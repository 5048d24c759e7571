"""The drills of clients that hold others up: slow ones, and such as do odd things with a connection.

All of them go through the proxy that the service ships, while the load's clients place orders.
"""

import contextlib
import http.client
import itertools
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drills.load import Load
from drills.scenarios import AWAY_SECONDS, LONGEST_SECONDS, drill
from drills.stage import Fault, Report, Stage, under_load
from drills.waiting import HANG_TIMEOUT_SECONDS

SLOW = 200
SLOW_SECONDS = 15  # longer than nginx waits for all headers
ODD_SECONDS = 6.0
EARLY_SECONDS = 0.2  # for an answer to headers alone
ODD = 4  # clients at once

HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET /api/v1/orders?limit=1 HTTP/1.1\r\n" + HOST + b"\r\n"
BODY = b'{"currency": "EUR", "lines": []}'
HEAD = (
    b"POST /api/v1/orders HTTP/1.1\r\n"
    + HOST
    + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
POST = HEAD % len(BODY)
# What a slow client sends, a byte a second: all of it would take minutes.
SLOW_HEADERS = GET[:-2] + b"X-Slow: " + b"a" * 200 + b"\r\n\r\n"
SLOW_BODY = HEAD % 4_000


class SlowClients:
    """Connections that send a byte a second; a new one for each that is closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.closed: Counter[str] = Counter()
        """Connections that were ended by the other side, by kind."""
        self._open: list[tuple[str, socket.socket, Iterator[bytes]]] = []

    def run(self, seconds: float) -> None:
        """Send for a while, then hang up."""
        with contextlib.ExitStack() as stack:
            self._open = [self._connect(stack, number) for number in range(SLOW)]
            for _second in range(round(seconds)):
                self._open = [self._send(stack, number) for number in range(SLOW)]
                time.sleep(1)

    def _connect(
        self, stack: contextlib.ExitStack, number: int
    ) -> tuple[str, socket.socket, Iterator[bytes]]:
        kind = "headers" if number % 2 else "bodies"
        client = stack.enter_context(
            socket.create_connection(("127.0.0.1", self.port), HANG_TIMEOUT_SECONDS)
        )
        if kind == "bodies":
            client.sendall(SLOW_BODY)
            return kind, client, itertools.repeat(b" ")
        return kind, client, (bytes([each]) for each in SLOW_HEADERS)

    def _send(
        self, stack: contextlib.ExitStack, number: int
    ) -> tuple[str, socket.socket, Iterator[bytes]]:
        kind, client, rest = self._open[number]
        try:
            client.sendall(next(rest))
            ended = bool(_readable(client))
        except (OSError, StopIteration):
            ended = True
        if not ended:
            return kind, client, rest
        self.closed[kind] += 1
        client.close()
        return self._connect(stack, number)


def _readable(client: socket.socket, within: float = 0.0) -> bool:
    """Tell whether something came: an answer, or the end of the connection."""
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ)
        return bool(selector.select(within))


@drill(
    f"{SLOW} slow connections",
    "no other client waits for a second while clients send one byte a second",
)
def slow_connections(stage: Stage, report: Report) -> None:
    """Open many connections, and send hardly anything over them."""
    stage.serve()
    slow = SlowClients(stage.port)

    def fault(_load: Load) -> Fault:
        slow.run(SLOW_SECONDS)
        return Fault()

    under_load(stage, report, fault, after=1.0, longest=LONGEST_SECONDS, refusing=False)
    report.notes.append(
        f"{SLOW} connections for {SLOW_SECONDS} s, {slow.closed['headers']} of headers and"
        f" {slow.closed['bodies']} of bodies closed by nginx"
    )
    report.hold(slow.closed["headers"] > 0, "no connection with slow headers was closed")


class OddClient:
    """One connection, and what it got for what it sent."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), HANG_TIMEOUT_SECONDS)

    def send(self, data: bytes) -> None:
        """Send bytes in one segment."""
        self.socket.sendall(data)

    def statuses(self, number: int) -> list[int]:
        """Read so many answers.

        Raises:
            OSError, http.client.HTTPException: when the connection ends first.

        """
        return [self._status() for _ in range(number)]

    def _status(self) -> int:
        # One answer at a time: nothing of the next one may be read ahead.
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._exactly(1)
        status_line, _, rest = head.decode("latin-1").partition("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in rest.split("\r\n") if ": " in line)
        self._exactly(int(headers.get("content-length", 0)))
        return int(status_line.split()[1])

    def _exactly(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            if not (part := self.socket.recv(size - len(received))):
                raise http.client.IncompleteRead(received)
            received += part
        return received


def pipelined(client: OddClient) -> list[int]:
    """Send three requests in one segment, one of them with a body."""
    client.send(GET + POST + BODY + GET)
    return client.statuses(3)


def trailing(client: OddClient) -> list[int]:
    """Send a line end too many behind a body (RFC 9112, 2.2), and the next request later."""
    client.send(POST + BODY + b"\r\n")
    first = client.statuses(1)
    client.send(GET)
    return first + client.statuses(1)


def unread(client: OddClient) -> list[int]:
    """Send headers, wait whether they are refused already, then body and next request in one segment."""
    client.send(POST)
    early = client.statuses(1) if _readable(client.socket, EARLY_SECONDS) else []
    client.send(BODY + GET)
    return early + client.statuses(2 - len(early))


@contextmanager
def at_once(does: Callable[[], None], number: int) -> Iterator[None]:
    """Do something again and again in several threads, until the block ends."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            does()

    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def odd_clients(
    stage: Stage, report: Report, does: Callable[[OddClient], list[int]], expected: list[int]
) -> None:
    """Let clients do something odd all the time, and hold the report to the promise."""
    stage.serve()
    got: Counter[str] = Counter()
    longest = [0.0]

    def once() -> None:
        began = time.monotonic()
        try:
            client = OddClient(stage.port)
            with client.socket:
                got[str([*does(client), *does(client)])] += 1
        except (OSError, http.client.HTTPException) as error:
            got[f"{type(error).__name__}: {error}"] += 1
        longest[0] = max(longest[0], time.monotonic() - began)

    def fault(_load: Load) -> Fault:
        with at_once(once, ODD):
            time.sleep(ODD_SECONDS)
        return Fault()

    under_load(stage, report, fault, after=1.0, longest=LONGEST_SECONDS, refusing=False)
    good = got.pop(str(expected * 2), 0)
    report.notes.append(
        f"{good} such connections answered {expected} twice in {longest[0]:.2f} s at most,"
        f" {got.total()} otherwise"
    )
    report.hold(good > 0 and not got, f"answered otherwise: {dict(got)}")


PROMISE = "each of these requests gets a response, and no other client waits for a second"


@drill("pipelined requests", PROMISE)
def pipelining(stage: Stage, report: Report) -> None:
    """Send several requests in one segment."""
    odd_clients(stage, report, pipelined, [401, 401, 401])


@drill("line ends behind a body", PROMISE)
def line_ends(stage: Stage, report: Report) -> None:
    """Send a line end that belongs to nothing."""
    odd_clients(stage, report, trailing, [401, 401])


@drill("unread bodies", PROMISE)
def bodies(stage: Stage, report: Report) -> None:
    """Send bodies of requests that are refused by their headers."""
    odd_clients(stage, report, unread, [401, 401])


CROWD = 40
STATEMENT_SECONDS = 1.0


@drill(
    "liveness while every thread waits for a slow database",
    "the shipped probe gets a response within a second",
)
def liveness(stage: Stage, report: Report) -> None:
    """Make every statement wait for a lock, with many more clients than threads."""
    settings = {
        "DATABASE_STATEMENT_TIMEOUT_MS": str(round(STATEMENT_SECONDS * 1_000)),
        "WEB_THREADS": "2",
    }
    stage.serve(**settings)
    answered: Counter[int] = Counter()
    late = [0.0]

    def fault(load: Load) -> Fault:
        headers = {"Authorization": f"Bearer {load.login.token}"}

        def ask() -> None:
            answered[_status_of(stage.port, "/api/v1/orders?limit=1", headers)] += 1

        def probe_at_port() -> None:
            began = time.monotonic()
            _status_of(stage.service.port, "/health/live", {})
            late[0] = max(late[0], time.monotonic() - began)

        with stage.database.locked(), at_once(ask, CROWD), at_once(probe_at_port, 1):
            time.sleep(2 * AWAY_SECONDS)
        return Fault(time.monotonic())

    # All of the crowd may be in the line, and each may wait for two statements.
    longest = 2 * STATEMENT_SECONDS * CROWD
    under_load(stage, report, fault, longest=longest)
    report.notes.append(
        f"{CROWD} more clients at 4 threads got {dict(answered)}; a probe at PORT would have waited"
        f" {late[0]:.2f} s"
    )
    report.hold(
        report.refused + answered[503] > 0, "nothing was refused, so the fault was not felt"
    )
    report.hold(set(answered) <= {200, 503}, f"the crowd got {dict(answered)}")


def _status_of(port: int, path: str, headers: dict[str, str]) -> int:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_TIMEOUT_SECONDS)
    with contextlib.closing(client):
        client.request("GET", path, headers=headers)
        answer = client.getresponse()
        answer.read()
        return answer.status
