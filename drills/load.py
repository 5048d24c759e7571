"""Clients that place and read orders during a fault, and the counts of their responses."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from drills.service import EMAIL, PASSWORD
from drills.waiting import HANG_TIMEOUT_SECONDS

CLIENTS = 4
PAUSE_SECONDS = 0.02  # between two requests of a client
RECEIPT_PAUSE_SECONDS = (
    0.12  # when each order requests a receipt: as fast as two worker processes send them
)
PROBE_SECONDS = 0.1  # between two liveness probes
TOKENS = "/api/v1/auth"
ORDERS = "/api/v1/orders"

OK, CREATED, UNAUTHORIZED, UNAVAILABLE = 200, 201, 401, 503
GATEWAY_ERRORS = (502, 504)


@dataclass
class Response:
    """An HTTP response, or the error in its place."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    error: str = ""
    refused_to_connect: bool = False


class Client:
    """An HTTP client with one connection, persistent or not."""

    def __init__(self, port: int, *, keep_alive: bool = False) -> None:
        self.port = port
        self.keep_alive = keep_alive
        self.connection: http.client.HTTPConnection | None = None
        self.reconnected = 0

    def send(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Response:
        """Send a request.

        A server may close a persistent connection between two requests. That is no failure: like other
        HTTP clients, this one resends the request on a new connection (RFC 9112, 9.3.1).
        """
        reused = self.connection is not None
        response = self._send(method, path, body, headers or {})
        silent = not response.status and not response.refused_to_connect
        if reused and silent and "timed out" not in response.error:
            self.reconnected += 1
            response = self._send(method, path, body, headers or {})
        return response

    def _send(self, method: str, path: str, body: object, headers: dict[str, str]) -> Response:
        connection = self.connection or http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=HANG_TIMEOUT_SECONDS
        )
        self.connection = None
        connecting = connection.sock is None
        data = body if isinstance(body, bytes) else json.dumps(body) if body is not None else None
        try:
            if connecting:
                connection.connect()
                connecting = False
            sent = {"Content-Type": "application/json"} if data is not None else {}
            if not self.keep_alive:
                sent["Connection"] = "close"
            connection.request(method, path, data, sent | headers)
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            refused = connecting and isinstance(error, ConnectionRefusedError)
            return Response(
                error=f"{type(error).__name__}: {error}".strip(": "), refused_to_connect=refused
            )
        if self.keep_alive and not response.will_close:
            self.connection = connection
        else:
            connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        parsed = json.loads(raw) if "json" in found.get("content-type", "") else raw
        return Response(response.status, found, parsed)

    def close(self) -> None:
        """Close the connection."""
        if self.connection:
            self.connection.close()
            self.connection = None


class Login:
    """A login that all clients share; the client that gets a 401 refreshes it for all."""

    def __init__(self, port: int) -> None:
        self._client = Client(port)
        self._lock = threading.Lock()
        self.renewals = 0
        self._take(
            self._client.send("POST", f"{TOKENS}/login", {"email": EMAIL, "password": PASSWORD})
        )

    def _take(self, response: Response) -> bool:
        if response.status != OK:
            return False
        self._access, self._refresh = response.body["access_token"], response.body["refresh_token"]
        return True

    @property
    def token(self) -> str:
        """The current access token."""
        return str(self._access)

    def renew(self, refused: str) -> bool:
        """Replace a refused access token; return whether a valid one is available."""
        with self._lock:
            if self._access != refused:
                return True
            self.renewals += 1
            sent = {"refresh_token": self._refresh}
            return self._take(self._client.send("POST", f"{TOKENS}/refresh", sent))


@dataclass
class RequestCounts:
    """The requests of a drill, counted by outcome."""

    sent: int = 0
    correct: int = 0
    refused: int = 0
    """503 with Retry-After: not processed, so the client can retry."""
    connection_refused: int = 0
    """The connection was refused, so no server has received the request."""
    gateway_errors: int = 0
    """502 or 504 of the proxy with Retry-After: whether the request was processed is unknown, so clients
    retry with the same idempotency key."""
    failed: Counter[str] = field(default_factory=Counter)
    """Anything else: no response, no Retry-After, another status."""
    incorrect: Counter[str] = field(default_factory=Counter)
    """Responses with incorrect content."""
    slowest: float = 0.0
    last_failure: float = 0.0
    resent: int = 0
    """Requests resent with the same key because their persistent connection was closed."""
    probes: int = 0
    failed_probes: Counter[str] = field(default_factory=Counter)
    """Liveness probes that failed."""
    slowest_probe: float = 0.0


@dataclass(frozen=True)
class PlacedOrder:
    """An acknowledged order: its creation got a 201."""

    id: str
    total_cents: int


class Load:
    """Four clients, two with persistent connections, and a liveness probe."""

    def __init__(
        self,
        port: int,
        login: Login,
        *,
        email: str = "",
        liveness_port: Callable[[], int] | None = None,
    ) -> None:
        self.port = port
        self.liveness_port = liveness_port
        """Returns the current port of the liveness probe; None disables the probe."""
        self.login = login
        self.email = email
        """The recipient of receipts; empty: none are requested."""
        self.counts = RequestCounts()
        self.placed: dict[str, PlacedOrder] = {}
        self.unconfirmed: dict[str, dict[str, Any]] = {}
        """Unconfirmed orders: sent, and not acknowledged."""
        self.expects_liveness = True
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(Client(port, keep_alive=number % 2 == 0),))
            for number in range(CLIENTS)
        ] + [threading.Thread(target=self._probe)]

    def start(self) -> None:
        """Start the threads of all clients."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the clients after their current requests."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def send_again(self) -> None:
        """Resend unconfirmed orders with their idempotency keys."""
        client = Client(self.port)
        for key, basket in list(self.unconfirmed.items()):
            self._place(client, key, basket)

    def _work(self, client: Client) -> None:
        chance = random.Random(id(client))  # noqa: S311  only chooses orders
        pause = RECEIPT_PAUSE_SECONDS if self.email else PAUSE_SECONDS
        while not self._stopping.is_set():
            quantity = chance.randint(1, 9)
            line = {"sku": "TEA-100", "quantity": quantity, "unit_price_cents": 450}
            basket = {"currency": "EUR", "lines": [line]}
            self._place(
                client, str(uuid4()), basket | ({"email": self.email} if self.email else {})
            )
            time.sleep(pause)
            with self._lock:
                known = list(self.placed.values())[-50:]
            if known:
                self._read(client, chance.choice(known))
            if chance.random() < 0.2:
                self._list(client)
            time.sleep(pause)
        with self._lock:
            self.counts.resent += client.reconnected
        client.close()

    def _place(self, client: Client, key: str, basket: dict[str, Any]) -> None:
        total = sum(line["quantity"] * line["unit_price_cents"] for line in basket["lines"])
        self.unconfirmed[key] = basket

        def difference(response: Response) -> str:
            if response.status != CREATED:
                return ""
            with self._lock:
                self.placed[key] = PlacedOrder(response.body["id"], response.body["total_cents"])
                self.unconfirmed.pop(key, None)
            return "" if response.body["total_cents"] == total else "another total"

        self._count(client, CREATED, difference, "POST", ORDERS, basket, {"Idempotency-Key": key})

    def _read(self, client: Client, order: PlacedOrder) -> None:
        def difference(response: Response) -> str:
            if response.status == OK:
                same = (response.body["id"], response.body["total_cents"]) == (
                    order.id,
                    order.total_cents,
                )
                return "" if same else "another order"
            return "an acknowledged order is not found" if response.status == 404 else ""

        self._count(client, OK, difference, "GET", f"{ORDERS}/{order.id}")

    def _list(self, client: Client) -> None:
        def difference(response: Response) -> str:
            if response.status != OK:
                return ""
            return "" if 0 < len(response.body["items"]) <= 5 else "another number of orders"

        self._count(client, OK, difference, "GET", f"{ORDERS}?limit=5")

    def _count(  # noqa: PLR0913, PLR0917
        self,
        client: Client,
        expected: int,
        compare: Callable[[Response], str],
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        began = time.monotonic()
        response = self._authorized(client, method, path, body, headers or {})
        ended = time.monotonic()
        difference = compare(response)
        with self._lock:
            counts = self.counts
            counts.sent += 1
            counts.slowest = max(counts.slowest, ended - began)
            if difference:
                counts.incorrect[difference] += 1
            elif response.status == expected:
                counts.correct += 1
                return
            elif (
                response.status == UNAVAILABLE and response.headers.get("retry-after", "").isdigit()
            ):
                counts.refused += 1
            elif (
                response.status in GATEWAY_ERRORS
                and response.headers.get("retry-after", "").isdigit()
            ):
                counts.gateway_errors += 1
            elif response.refused_to_connect:
                counts.connection_refused += 1
            else:
                counts.failed[response.error or f"status {response.status}"] += 1
            counts.last_failure = ended

    def _authorized(
        self, client: Client, method: str, path: str, body: object, headers: dict[str, str]
    ) -> Response:
        """Send a request with the access token; refresh an expired one once."""
        token = self.login.token
        response = client.send(method, path, body, headers | {"Authorization": f"Bearer {token}"})
        if response.status == UNAUTHORIZED and self.login.renew(token):
            token = self.login.token
            response = client.send(
                method, path, body, headers | {"Authorization": f"Bearer {token}"}
            )
        return response

    def _probe(self) -> None:
        while self.liveness_port and not self._stopping.is_set():
            began = time.monotonic()
            response = Client(self.liveness_port()).send("GET", "/health/live")
            if self.expects_liveness:
                self.counts.probes += 1
                if response.status != OK:
                    self.counts.failed_probes[response.error or f"status {response.status}"] += 1
                self.counts.slowest_probe = max(self.counts.slowest_probe, time.monotonic() - began)
            time.sleep(PROBE_SECONDS)
