"""Clients that place orders and read them while something fails, and what became of each request."""

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
    0.12  # when each order asks for a receipt, as fast as two processes send them
)
PROBE_SECONDS = 0.1  # between two liveness probes
TOKENS = "/api/v1/auth"
ORDERS = "/api/v1/orders"

OK, CREATED, UNAUTHORIZED, UNAVAILABLE = 200, 201, 401, 503
OF_THE_PROXY = (502, 504)


@dataclass
class Answer:
    """What came back, or that nothing did."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    error: str = ""
    refused_to_connect: bool = False


class Client:
    """One connection, kept open or not, that remembers nothing but its token."""

    def __init__(self, port: int, *, keep_alive: bool = False) -> None:
        self.port = port
        self.keep_alive = keep_alive
        self.connection: http.client.HTTPConnection | None = None
        self.reconnected = 0

    def send(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request.

        A kept connection may be closed by the server between two requests, which is no failure: like
        every HTTP client, this one sends the request again on a new connection (RFC 9112, 9.3.1).
        """
        reused = self.connection is not None
        answer = self._send(method, path, body, headers or {})
        silent = not answer.status and not answer.refused_to_connect
        if reused and silent and "timed out" not in answer.error:
            self.reconnected += 1
            answer = self._send(method, path, body, headers or {})
        return answer

    def _send(self, method: str, path: str, body: object, headers: dict[str, str]) -> Answer:
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
            return Answer(
                error=f"{type(error).__name__}: {error}".strip(": "), refused_to_connect=refused
            )
        if self.keep_alive and not response.will_close:
            self.connection = connection
        else:
            connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        parsed = json.loads(raw) if "json" in found.get("content-type", "") else raw
        return Answer(response.status, found, parsed)

    def close(self) -> None:
        """Hang up."""
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

    def _take(self, answer: Answer) -> bool:
        if answer.status != OK:
            return False
        self._access, self._refresh = answer.body["access_token"], answer.body["refresh_token"]
        return True

    @property
    def token(self) -> str:
        """The access token that is good now."""
        return str(self._access)

    def renew(self, refused: str) -> bool:
        """Get another token in place of one that was refused; say whether that went well."""
        with self._lock:
            if self._access != refused:
                return True
            self.renewals += 1
            sent = {"refresh_token": self._refresh}
            return self._take(self._client.send("POST", f"{TOKENS}/refresh", sent))


@dataclass
class Tally:
    """What became of the requests of a drill."""

    sent: int = 0
    right: int = 0
    refused: int = 0
    """503 with Retry-After: clear, and safe to send again."""
    not_accepted: int = 0
    """The connection was refused, so no server has received the request."""
    unsure: int = 0
    """502 or 504 of the proxy with Retry-After: what came of the request is not known; with its key it is
    safe to send again."""
    failed: Counter[str] = field(default_factory=Counter)
    """Anything else: no answer, an answer without Retry-After, another status."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Answers that say something untrue."""
    longest: float = 0.0
    last_not_right: float = 0.0
    resent: int = 0
    """A kept connection was closed before the answer; sent again with the same key, as clients do."""
    probes: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    """Liveness probes that failed."""
    slowest_probe: float = 0.0


@dataclass(frozen=True)
class Placed:
    """An order that was answered with 201."""

    id: str
    total_cents: int


class Load:
    """Four clients, two of which keep their connection, and a liveness probe."""

    def __init__(
        self,
        port: int,
        login: Login,
        *,
        email: str = "",
        probed: Callable[[], int] | None = None,
    ) -> None:
        self.port = port
        self.probed = probed
        """Where liveness is asked for at the moment; None: nowhere."""
        self.login = login
        self.email = email
        """The address for receipts; without it none is requested."""
        self.tally = Tally()
        self.placed: dict[str, Placed] = {}
        self.open: dict[str, dict[str, Any]] = {}
        """Orders of which is not known whether they were stored."""
        self.alive_is_expected = True
        self._ends = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(Client(port, keep_alive=number % 2 == 0),))
            for number in range(CLIENTS)
        ] + [threading.Thread(target=self._probe)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, when every client has its answer."""
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def send_again(self) -> None:
        """Send orders again whose fate is not known, with the keys that they had."""
        client = Client(self.port)
        for key, basket in list(self.open.items()):
            self._place(client, key, basket)

    def _work(self, client: Client) -> None:
        chance = random.Random(id(client))  # noqa: S311  which article is ordered
        pause = RECEIPT_PAUSE_SECONDS if self.email else PAUSE_SECONDS
        while not self._ends.is_set():
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
            self.tally.resent += client.reconnected
        client.close()

    def _place(self, client: Client, key: str, basket: dict[str, Any]) -> None:
        total = sum(line["quantity"] * line["unit_price_cents"] for line in basket["lines"])
        self.open[key] = basket

        def right(answer: Answer) -> str:
            if answer.status != CREATED:
                return ""
            with self._lock:
                self.placed[key] = Placed(answer.body["id"], answer.body["total_cents"])
                self.open.pop(key, None)
            return "" if answer.body["total_cents"] == total else "another total"

        self._count(client, CREATED, right, "POST", ORDERS, basket, {"Idempotency-Key": key})

    def _read(self, client: Client, order: Placed) -> None:
        def right(answer: Answer) -> str:
            if answer.status == OK:
                same = (answer.body["id"], answer.body["total_cents"]) == (
                    order.id,
                    order.total_cents,
                )
                return "" if same else "another order"
            return "an acknowledged order is not found" if answer.status == 404 else ""

        self._count(client, OK, right, "GET", f"{ORDERS}/{order.id}")

    def _list(self, client: Client) -> None:
        def right(answer: Answer) -> str:
            if answer.status != OK:
                return ""
            return "" if 0 < len(answer.body["items"]) <= 5 else "another number of orders"

        self._count(client, OK, right, "GET", f"{ORDERS}?limit=5")

    def _count(  # noqa: PLR0913, PLR0917
        self,
        client: Client,
        expected: int,
        wrong: Callable[[Answer], str],
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        began = time.monotonic()
        answer = self._authorized(client, method, path, body, headers or {})
        ended = time.monotonic()
        said = wrong(answer)
        with self._lock:
            tally = self.tally
            tally.sent += 1
            tally.longest = max(tally.longest, ended - began)
            if said:
                tally.wrong[said] += 1
            elif answer.status == expected:
                tally.right += 1
                return
            elif answer.status == UNAVAILABLE and answer.headers.get("retry-after", "").isdigit():
                tally.refused += 1
            elif answer.status in OF_THE_PROXY and answer.headers.get("retry-after", "").isdigit():
                tally.unsure += 1
            elif answer.refused_to_connect:
                tally.not_accepted += 1
            else:
                tally.failed[answer.error or f"status {answer.status}"] += 1
            tally.last_not_right = ended

    def _authorized(
        self, client: Client, method: str, path: str, body: object, headers: dict[str, str]
    ) -> Answer:
        """Send a request with the token; an expired one is renewed once, as clients do."""
        token = self.login.token
        answer = client.send(method, path, body, headers | {"Authorization": f"Bearer {token}"})
        if answer.status == UNAUTHORIZED and self.login.renew(token):
            token = self.login.token
            answer = client.send(method, path, body, headers | {"Authorization": f"Bearer {token}"})
        return answer

    def _probe(self) -> None:
        while self.probed and not self._ends.is_set():
            began = time.monotonic()
            answer = Client(self.probed()).send("GET", "/health/live")
            if self.alive_is_expected:
                self.tally.probes += 1
                if answer.status != OK:
                    self.tally.dead[answer.error or f"status {answer.status}"] += 1
                self.tally.slowest_probe = max(self.tally.slowest_probe, time.monotonic() - began)
            time.sleep(PROBE_SECONDS)
