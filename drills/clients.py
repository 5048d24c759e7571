"""The drills of clients that could delay others: slow clients, and unusual sequences of requests.

All requests go through the proxy that the service ships, while the clients of the load place orders.
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
from drills.scenarios import MAX_RESPONSE_SECONDS, OUTAGE_SECONDS, drill
from drills.stage import Fault, Report, Stage, under_load
from drills.waiting import HANG_TIMEOUT_SECONDS

SLOW = 200
SLOW_SECONDS = 15  # longer than nginx waits for all headers
RAW_SECONDS = 6.0
EARLY_SECONDS = 0.2  # the wait for a response before the body is sent
RAW_CLIENTS = 4  # parallel clients

HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET /api/v1/orders?limit=1 HTTP/1.1\r\n" + HOST + b"\r\n"
BODY = b'{"currency": "EUR", "lines": []}'
HEAD = (
    b"POST /api/v1/orders HTTP/1.1\r\n"
    + HOST
    + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
POST = HEAD % len(BODY)
# Sent at a byte a second, so that the request would take minutes.
SLOW_HEADERS = GET[:-2] + b"X-Slow: " + b"a" * 200 + b"\r\n\r\n"
SLOW_BODY = HEAD % 4_000


class SlowClients:
    """Connections that send a byte a second; each closed one is replaced."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.closed: Counter[str] = Counter()
        """Connections closed by the server, by kind."""
        self._open: list[tuple[str, socket.socket, Iterator[bytes]]] = []

    def run(self, seconds: float) -> None:
        """Send for this time, then close all connections."""
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
    """Return whether a response or the end of the connection has arrived."""
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ)
        return bool(selector.select(within))


@drill(
    f"{SLOW} slow connections",
    "no other client waits for a second while clients send one byte a second",
)
def slow_connections(stage: Stage, report: Report) -> None:
    """Open many connections that send a byte a second."""
    stage.serve()
    slow = SlowClients(stage.port)

    def fault(_load: Load) -> Fault:
        slow.run(SLOW_SECONDS)
        return Fault()

    under_load(
        stage, report, fault, after=1.0, max_seconds=MAX_RESPONSE_SECONDS, refusals_allowed=False
    )
    report.notes.append(
        f"{SLOW} connections for {SLOW_SECONDS} s, {slow.closed['headers']} of headers and"
        f" {slow.closed['bodies']} of bodies closed by nginx"
    )
    report.require(slow.closed["headers"] > 0, "no connection with slow headers was closed")


class RawClient:
    """A client that sends raw bytes over one connection and reads the statuses of the responses."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), HANG_TIMEOUT_SECONDS)

    def send(self, data: bytes) -> None:
        """Send bytes in one segment."""
        self.socket.sendall(data)

    def statuses(self, number: int) -> list[int]:
        """Read this number of responses; return their statuses.

        Raises:
            OSError, http.client.HTTPException: if the connection ends first.

        """
        return [self._status() for _ in range(number)]

    def _status(self) -> int:
        # Byte by byte, so that nothing of the next response is consumed.
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


def pipelined(client: RawClient) -> list[int]:
    """Send three requests in one segment, one of them with a body."""
    client.send(GET + POST + BODY + GET)
    return client.statuses(3)


def trailing(client: RawClient) -> list[int]:
    """Send a superfluous line end after a body (RFC 9112, 2.2), then the next request."""
    client.send(POST + BODY + b"\r\n")
    first = client.statuses(1)
    client.send(GET)
    return first + client.statuses(1)


def unread(client: RawClient) -> list[int]:
    """Send headers, wait for an early response, then send the body and the next request in one segment."""
    client.send(POST)
    early = client.statuses(1) if _readable(client.socket, EARLY_SECONDS) else []
    client.send(BODY + GET)
    return early + client.statuses(2 - len(early))


@contextmanager
def in_parallel(function: Callable[[], None], number: int) -> Iterator[None]:
    """Call a function repeatedly in several threads until the block ends."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            function()

    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def raw_requests(
    stage: Stage, report: Report, requests: Callable[[RawClient], list[int]], expected: list[int]
) -> None:
    """Repeat a sequence of raw requests in parallel under load, and check their statuses."""
    stage.serve()
    got: Counter[str] = Counter()
    longest = [0.0]

    def once() -> None:
        began = time.monotonic()
        try:
            client = RawClient(stage.port)
            with client.socket:
                got[str([*requests(client), *requests(client)])] += 1
        except (OSError, http.client.HTTPException) as error:
            got[f"{type(error).__name__}: {error}"] += 1
        longest[0] = max(longest[0], time.monotonic() - began)

    def fault(_load: Load) -> Fault:
        with in_parallel(once, RAW_CLIENTS):
            time.sleep(RAW_SECONDS)
        return Fault()

    under_load(
        stage, report, fault, after=1.0, max_seconds=MAX_RESPONSE_SECONDS, refusals_allowed=False
    )
    good = got.pop(str(expected * 2), 0)
    report.notes.append(
        f"{good} such connections answered {expected} twice in {longest[0]:.2f} s at most,"
        f" {got.total()} otherwise"
    )
    report.require(good > 0 and not got, f"other statuses: {dict(got)}")


PROMISE = "each of these requests gets a response, and no other client waits for a second"


@drill("pipelined requests", PROMISE)
def pipelining(stage: Stage, report: Report) -> None:
    """Send several requests in one segment."""
    raw_requests(stage, report, pipelined, [401, 401, 401])


@drill("line ends behind a body", PROMISE)
def line_ends(stage: Stage, report: Report) -> None:
    """Send a superfluous line end after each body."""
    raw_requests(stage, report, trailing, [401, 401])


@drill("unread bodies", PROMISE)
def bodies(stage: Stage, report: Report) -> None:
    """Send the body of a request after its headers were refused."""
    raw_requests(stage, report, unread, [401, 401])


EXTRA_CLIENTS = 40
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
    statuses: Counter[int] = Counter()
    late = [0.0]

    def fault(load: Load) -> Fault:
        headers = {"Authorization": f"Bearer {load.login.token}"}

        def list_orders() -> None:
            statuses[_status_of(stage.port, "/api/v1/orders?limit=1", headers)] += 1

        def probe_at_port() -> None:
            began = time.monotonic()
            _status_of(stage.service.port, "/health/live", {})
            late[0] = max(late[0], time.monotonic() - began)

        with (
            stage.database.locked(),
            in_parallel(list_orders, EXTRA_CLIENTS),
            in_parallel(probe_at_port, 1),
        ):
            time.sleep(2 * OUTAGE_SECONDS)
        return Fault(time.monotonic())

    # A request may wait for all others, and each of them for two statements.
    longest = 2 * STATEMENT_SECONDS * EXTRA_CLIENTS
    under_load(stage, report, fault, max_seconds=longest)
    report.notes.append(
        f"{EXTRA_CLIENTS} more clients at 4 threads got {dict(statuses)}; a probe at PORT would have waited"
        f" {late[0]:.2f} s"
    )
    report.require(
        report.refused + statuses[503] > 0, "no request was refused: the fault had no effect"
    )
    report.require(set(statuses) <= {200, 503}, f"the additional clients got {dict(statuses)}")


def _status_of(port: int, path: str, headers: dict[str, str]) -> int:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_TIMEOUT_SECONDS)
    with contextlib.closing(client):
        client.request("GET", path, headers=headers)
        response = client.getresponse()
        response.read()
        return response.status
