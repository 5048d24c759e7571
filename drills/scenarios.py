"""The drills: each states its promise, causes a fault under load, and reports the outcome."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from standardwebhooks import Webhook

from drills.deadlock import locked_order
from drills.load import CLIENTS, UNAUTHORIZED, Client, Load, Response
from drills.servers import MariaDB, PostgreSQL, Server, program
from drills.stage import RECOVERY_SECONDS, Fault, Report, Stage, under_load
from drills.waiting import HANG_TIMEOUT_SECONDS, wait_until

OUTAGE_SECONDS = 3.0
STATEMENT_SECONDS = 1.0
POOL_SECONDS = 1.0
MAX_RESPONSE_SECONDS = 1.0  # the slowest response while all dependencies are available
# Added to limits, for a busy machine.
MARGIN_SECONDS = 2.0


@dataclass(frozen=True)
class Drill:
    """A drill: its name, its promise, its function and the databases it runs on."""

    name: str
    promise: str
    run: Callable[[Stage, Report], None]
    databases: tuple[str, ...]


DRILLS: list[Drill] = []
BOTH = (PostgreSQL.name, MariaDB.name)


def drill(
    name: str, promise: str, databases: tuple[str, ...] = (PostgreSQL.name,)
) -> Callable[[Callable[[Stage, Report], None]], Callable[[Stage, Report], None]]:
    """Register a function as a drill."""

    def register(run: Callable[[Stage, Report], None]) -> Callable[[Stage, Report], None]:
        DRILLS.append(Drill(name, promise, run, databases))
        return run

    return register


def outage(server: Server) -> Callable[[Load], Fault]:
    """Return a fault: the server is stopped and started again."""

    def fault(_load: Load) -> Fault:
        server.stop()
        time.sleep(OUTAGE_SECONDS)
        server.start()
        return Fault(time.monotonic())

    return fault


@drill(
    "database stopped and started",
    "503 with Retry-After in bounded time, no acknowledged write lost, back within 5 s",
    BOTH,
)
def database_stopped(stage: Stage, report: Report) -> None:
    """Stop the database and start it again."""
    stage.serve()
    under_load(stage, report, outage(stage.database), max_seconds=MARGIN_SECONDS)
    report.require(report.refused > 0, "no request was refused: the fault had no effect")


@drill(
    "database read-only",
    "reads succeed, writes get 503 with Retry-After, readiness notices, back within 5 s",
    BOTH,
)
def database_read_only(stage: Stage, report: Report) -> None:
    """Make every session read-only, as on a standby; then allow writes while the pools hold read-only sessions."""
    stage.serve()
    ready: list[int] = []

    def fault(load: Load) -> Fault:
        with stage.database.read_only():
            time.sleep(OUTAGE_SECONDS / 2)
            before, ready[:] = load.counts.correct, [readiness(stage)]
            time.sleep(OUTAGE_SECONDS / 2)
            report.require(load.counts.correct > before, "no read succeeded during the fault")
        over = time.monotonic()
        ready.append(readiness(stage))
        return Fault(over)

    # A request whose session is ended gets a 503.
    under_load(stage, report, fault, max_seconds=MARGIN_SECONDS)
    report.require(report.refused > 0, "no request was refused: the fault had no effect")
    report.require(ready == [503, 200], f"readiness answered {ready}, not 503 and then 200")
    report.notes.append(f"readiness {ready[0]} meanwhile, {ready[1]} afterwards")


@drill("columns widened", "no request is refused, though every prepared statement is outdated")
def columns_widened(stage: Stage, report: Report) -> None:
    """Change the type of a column repeatedly, under prepared statements that return it."""
    stage.serve()
    before = pools_replaced(stage)

    def fault(_load: Load) -> Fault:
        for length in (8, 16, 24, 32):
            stage.database.execute_all(
                f"ALTER TABLE orders ALTER COLUMN currency TYPE varchar({length})"
            )
            time.sleep(OUTAGE_SECONDS / 4)
        return Fault()

    under_load(stage, report, fault, after=0.5, max_seconds=MARGIN_SECONDS, refusals_allowed=False)
    report.require(not report.failed, "a request failed")
    replaced = pools_replaced(stage) - before
    report.require(replaced > 0, "no connection was replaced: the fault had no effect")
    report.notes.append(f"widened 4 times, pools replaced {replaced} times")


def pools_replaced(stage: Stage) -> int:
    """Count the replacements of pooled connections in the log."""
    return stage.service.log.read_text(errors="replace").count("database connections replaced")


def readiness(stage: Stage) -> int:
    """Return the status of the readiness check."""
    try:
        url = f"http://127.0.0.1:{stage.service.port}/health/ready"
        with urllib.request.urlopen(url, timeout=HANG_TIMEOUT_SECONDS) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


@drill(
    "connection pool exhausted",
    "503 after DATABASE_POOL_TIMEOUT_SECONDS or DATABASE_STATEMENT_TIMEOUT_MS, liveness unaffected, back within 5 s",
    BOTH,
)
def pool_exhausted(stage: Stage, report: Report) -> None:
    """Make the only connection of each process wait for a lock."""
    stage.serve(
        DATABASE_POOL_SIZE="1",
        DATABASE_MAX_OVERFLOW="0",
        DATABASE_POOL_TIMEOUT_SECONDS=str(POOL_SECONDS),
        WEB_THREADS="2",
    )

    def fault(_load: Load) -> Fault:
        with stage.database.locked():
            time.sleep(OUTAGE_SECONDS)
        return Fault(time.monotonic())

    # The request with the connection waits until the lock is released.
    under_load(stage, report, fault, max_seconds=OUTAGE_SECONDS + MARGIN_SECONDS)
    report.require(report.refused > 0, "no request was refused: the fault had no effect")


@drill(
    "slow queries",
    "503 after DATABASE_STATEMENT_TIMEOUT_MS, liveness unaffected although every thread waits, back within 5 s",
    BOTH,
)
def slow_queries(stage: Stage, report: Report) -> None:
    """Make every statement exceed its timeout."""
    stage.serve(
        DATABASE_STATEMENT_TIMEOUT_MS=str(round(STATEMENT_SECONDS * 1_000)), WEB_THREADS="2"
    )

    def fault(_load: Load) -> Fault:
        with stage.database.locked():
            time.sleep(2 * OUTAGE_SECONDS)
        return Fault(time.monotonic())

    # A request has at most two statements that time out.
    under_load(stage, report, fault, max_seconds=2 * STATEMENT_SECONDS + MARGIN_SECONDS)
    report.require(report.refused > 0, "no request was refused: the fault had no effect")


@drill("Redis stopped", "every request gets its usual response; counted in Redis again within 10 s")
def redis_stopped(stage: Stage, report: Report) -> None:
    """Stop the Redis that counts rate limits."""
    stage.serve()
    under_load(
        stage,
        report,
        outage(stage.redis),
        after=10.0,
        max_seconds=MARGIN_SECONDS,
        refusals_allowed=False,
    )
    report.require(not report.failed, "a request failed")
    counted = stage.redis.keys()
    report.notes.append(f"{counted} counters in Redis afterwards")
    report.require(counted > 0, "nothing is counted in Redis after its return")


@drill(
    "orders cancelled while Redis is stopped",
    "every read shows the present state of the order",
)
def cancelled_meanwhile(stage: Stage, report: Report) -> None:
    """Start Redis again with outdated cached responses."""
    restart_redis(stage, persistent=True)
    stage.serve()

    def fault(load: Load) -> Fault:
        client = OrderClient(stage, load)
        hits = cache_hits(stage)
        orders = [client.place() for _ in range(40)]
        for _ in range(2):
            client.read_all(orders)
        stage.redis.stop()
        for order in orders[:20]:
            client.cancel(order)
        client.read_all(orders)
        time.sleep(OUTAGE_SECONDS)
        stage.redis.start()
        over = time.monotonic()
        outdated = stage.redis.keys("*/cache/orders/*")
        report.require(outdated >= len(orders), f"Redis returned with {outdated} answers only")
        during = cache_hits(stage) - hits
        while time.monotonic() < over + 10:
            if time.monotonic() > over + 2:
                client.cancel(orders[30])
            client.read_all(orders)
        after = cache_hits(stage) - hits - during
        report.require(after > 0, "nothing is read from Redis after its return")
        report.notes.append(
            f"21 of 40 orders cancelled, {client.reads} reads of them; {outdated} answers from before"
            f" in Redis at its return; {during} reads from Redis before, {after} afterwards"
        )
        return Fault(over)

    try:
        under_load(
            stage, report, fault, after=0.5, max_seconds=MARGIN_SECONDS, refusals_allowed=False
        )
    finally:
        restart_redis(stage, persistent=False)
    report.require(not report.failed, "a request failed")


def restart_redis(stage: Stage, *, persistent: bool) -> None:
    """Restart Redis without its data, with persistence or without."""
    stage.redis.stop()
    stage.redis.persistent = persistent
    (stage.redis.folder / "dump.rdb").unlink(missing_ok=True)
    stage.redis.start()


def cache_hits(stage: Stage) -> int:
    """Count the cache hits in the log."""
    return len(re.findall(r'"cache": ?"hit"', stage.service.log.read_text(errors="replace")))


class OrderClient:
    """A client that records the expected status of its orders."""

    def __init__(self, stage: Stage, load: Load) -> None:
        self.load = load
        self.client = Client(stage.port)
        self.cancelled: set[str] = set()
        self.reads = 0

    def _send(self, method: str, path: str, body: object = None, key: str = "") -> Response:
        headers = {"Authorization": f"Bearer {self.load.login.token}"}
        if key:
            headers["Idempotency-Key"] = key
        return self.client.send(method, f"/api/v1/orders{path}", body, headers)

    def place(self, email: str = "") -> str:
        """Place an order and return its id; it counts as an order of the load."""
        key = str(uuid4())
        line = {"sku": "CUP", "quantity": 1, "unit_price_cents": 9}
        basket: dict[str, Any] = {"currency": "EUR", "lines": [line]}
        if email:
            basket["email"] = email
        self.load.unconfirmed[key] = basket
        response = self._send("POST", "", basket, key)
        if response.status != 201:
            message = f"an order was answered {response.status}"
            raise RuntimeError(message)
        return str(response.body["id"])

    def cancel(self, order: str) -> None:
        """Cancel an order that is not cancelled yet."""
        if order in self.cancelled:
            return
        response = self._send("POST", f"/{order}/cancel")
        if response.status != 200:
            self.load.counts.failed[f"a cancellation was answered {response.status}"] += 1
        self.cancelled.add(order)

    def read_all(self, orders: list[str]) -> None:
        """Read orders, and compare each status with the expected one."""
        for order in orders:
            self.reads += 1
            response = self._send("GET", f"/{order}")
            expected = "cancelled" if order in self.cancelled else "placed"
            if response.status != 200:
                self.load.counts.failed[f"a read was answered {response.status}"] += 1
            elif response.body["status"] != expected:
                self.load.counts.incorrect[
                    f"shown as {response.body['status']}, not {expected}"
                ] += 1


@drill("collector stopped", "every request gets its usual response; spans arrive again within 15 s")
def collector_stopped(stage: Stage, report: Report) -> None:
    """Stop the collector of traces."""
    stage.serve()
    under_load(
        stage,
        report,
        outage(stage.collector),
        after=15.0,
        max_seconds=MARGIN_SECONDS,
        refusals_allowed=False,
    )
    spans = stage.collector.spans()
    report.notes.append(f"{spans} spans after its return")
    report.require(spans > 0, "no span arrives after its return")


@drill(
    "a Gunicorn worker killed",
    "only the requests of that worker get a 502, the other worker continues, a new one starts within 5 s",
)
def worker_killed(stage: Stage, report: Report) -> None:
    """Send SIGKILL to one worker."""
    stage.serve()

    def fault(_load: Load) -> Fault:
        victim = stage.service.workers()[0]
        os.kill(victim, signal.SIGKILL)
        over = time.monotonic()
        wait_until(
            lambda: len(stage.service.workers()) == 2 and victim not in stage.service.workers(),
            "a new worker",
        )
        report.notes.append(f"new worker after {time.monotonic() - over:.2f} s")
        report.require_within(time.monotonic() - over, RECOVERY_SECONDS, "a new worker came")
        return Fault(over)

    load = under_load(stage, report, fault, max_seconds=MAX_RESPONSE_SECONDS, max_gateway_errors=4)
    # One probe may have been sent to the killed worker.
    if load.counts.failed_probes.total() == 1:
        report.broken = [each for each in report.broken if each != "a liveness probe failed"]


@drill(
    "disk full for logs",
    "no request fails; lines are written again when there is room",
)
def disk_full(stage: Stage, report: Report) -> None:
    """Write the log to a file system that fills up, or to /dev/full."""
    with small_disk(stage.folder / "disk") as log:
        stage.service.stop()
        stage.serves = None
        stage.service.start(output=log)

        def fault(_load: Load) -> Fault:
            if log == FULL:
                report.notes.append("written to /dev/full throughout, as mounting needs root")
                time.sleep(OUTAGE_SECONDS)
                return Fault()
            wait_until(lambda: full(log), "the disk is full")
            time.sleep(OUTAGE_SECONDS)
            with log.open("r+b") as lines:
                lines.truncate(0)
            report.notes.append("a disk of 64 KiB")
            return Fault(time.monotonic())

        under_load(stage, report, fault, max_seconds=MARGIN_SECONDS, refusals_allowed=False)
        if log != FULL:
            written = [line for line in log.read_text(errors="replace").splitlines() if line]
            good = sum(map(is_json, written))
            report.notes.append(f"{good} lines written afterwards")
            report.require(good > 0, "no line is written afterwards")
        stage.service.stop()


FULL = Path("/dev/full")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a small file system and yield a file on it; without the permission to mount, /dev/full."""
    folder.mkdir()
    command = [program("mount"), "-t", "tmpfs", "-o", "size=64k", "drill", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        yield FULL
        return
    try:
        yield folder / "service.log"
    finally:
        subprocess.run([program("umount"), str(folder)], check=True)


def full(log: Path) -> bool:
    """Return whether the file system of a file is full."""
    return log.exists() and os.statvfs(log).f_bfree == 0


def is_json(line: str) -> bool:
    """Return whether a log line is a complete JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@drill(
    "SIGTERM under load",
    "every request gets a response, a 502 with Retry-After while nothing runs; the stop takes 25 s at"
    " most; exit code 0",
)
def sigterm(stage: Stage, report: Report) -> None:
    """Stop the service while clients send requests."""
    stage.serve()

    def fault(load: Load) -> Fault:
        load.expects_liveness = False
        process = stage.service.process
        seconds = stage.service.stop()
        report.notes.append(f"stopped in {seconds:.2f} s")
        report.require_within(seconds, 25, "it stopped")
        report.require(process is not None and process.returncode == 0, "it ended with an error")
        time.sleep(1)
        stage.serves = None
        stage.serve()
        return Fault(time.monotonic())

    # While the service is stopped, nginx responds with 502.
    under_load(
        stage,
        report,
        fault,
        after=2.0,
        max_seconds=MAX_RESPONSE_SECONDS,
        max_gateway_errors=sys.maxsize,
    )


@drill(
    "HUP under load",
    "workers with the new settings replace the old ones; no request fails or waits for a second",
)
def hup(stage: Stage, report: Report) -> None:
    """Make Gunicorn reload, twice."""
    stage.serve()

    def fault(_load: Load) -> Fault:
        for _ in range(2):
            before = set(stage.service.workers())
            os.kill(stage.service.process.pid, signal.SIGHUP)  # type: ignore[union-attr]  # the service runs
            wait_until(
                lambda before=before: (
                    len(set(stage.service.workers()) - before) == 2  # type: ignore[misc]  # binds the value of this round
                    and not before & set(stage.service.workers())
                ),
                "the workers are replaced",
            )
            time.sleep(1)
        return Fault(time.monotonic())

    under_load(
        stage, report, fault, after=1.0, max_seconds=MAX_RESPONSE_SECONDS, refusals_allowed=False
    )


@drill(
    "a new instance replaces the running one",
    "nginx reloads with a second Gunicorn, then the first one stops: no request fails or waits for a second",
)
def replacement(stage: Stage, report: Report) -> None:
    """Deploy as a platform does: start a new instance, switch the proxy to it, stop the old one."""
    stage.serve()

    def fault(_load: Load) -> Fault:
        for _ in range(2):
            old, new = stage.service, stage.service.second_instance()
            new.start(stage.serves)
            stage.proxy.switch_upstream(new.port)
            stage.service = new
            seconds = old.stop()
            report.notes.append(f"the old one stopped in {seconds:.2f} s")
            report.require_within(seconds, 25, "the old one stopped")
        return Fault(time.monotonic())

    under_load(
        stage, report, fault, after=1.0, max_seconds=MAX_RESPONSE_SECONDS, refusals_allowed=False
    )


@drill(
    "deadlock",
    "the service retries the request once, and it succeeds",
    BOTH,
)
def deadlock(stage: Stage, report: Report) -> None:
    """Deadlock: a payment holds its delivery and waits for the order; a transaction of the drill holds the order."""
    stage.serve()

    def fault(load: Load) -> Fault:
        while (met := transaction_retries(stage) - before) < 3 and report.sent < 20:
            response = pay_in_deadlock(stage, load)
            report.sent += 1
            report.require(
                response.status == 204, f"a payment was answered {response.status} {response.body}"
            )
        report.notes.append(f"{met} deadlocks met by {report.sent} payments, all paid once")
        report.require(met >= 3, "fewer deadlocks than expected")
        return Fault()

    before = transaction_retries(stage)
    under_load(stage, report, fault, after=0.5, max_seconds=MARGIN_SECONDS, refusals_allowed=False)


def transaction_retries(stage: Stage) -> int:
    """Count the transaction retries in the log."""
    return stage.service.log.read_text(errors="replace").count("transactions collided")


def pay_in_deadlock(stage: Stage, load: Load) -> Response:
    """Deliver a payment that gets into a deadlock with a transaction of the drill, which is then rolled back."""
    order = random.choice(list(load.placed.values()))  # noqa: S311
    delivery = f"msg_{uuid4().hex}"
    answers: list[Response] = []
    with locked_order(stage, order.id, delivery) as complete_deadlock:
        request = threading.Thread(
            target=lambda: answers.append(deliver(stage, delivery, order.id, order.total_cents))
        )
        request.start()
        complete_deadlock()
    request.join()
    return answers[0]


def deliver(stage: Stage, delivery: str, order_id: str, cents: int) -> Response:
    """Send a signed webhook about a payment."""
    now = datetime.now(UTC)
    event = {
        "type": "payment.succeeded",
        "timestamp": now.isoformat(),
        "data": {"order_id": order_id, "amount_cents": cents, "currency": "EUR"},
    }
    body = json.dumps(event)
    headers = {
        "webhook-id": delivery,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(stage.service.webhook_secret).sign(delivery, now, body),
    }
    return Client(stage.port).send(
        "POST", "/webhooks/payments", body.encode(), headers | {"Content-Type": "application/json"}
    )


@drill(
    "serialization failure",
    "the request is retried once; if it fails twice, 503 with Retry-After; never a third attempt",
    BOTH,
)
def serialization(stage: Stage, report: Report) -> None:
    """Make inserts of orders fail with a serialization failure, raised by a trigger."""
    stage.serve()
    database = stage.database

    def fault(load: Load) -> Fault:
        # Seldom enough that no request fails twice.
        database.fail_order_inserts(every=20)
        time.sleep(OUTAGE_SECONDS)
        report.require(not load.counts.refused, "refused, although a retry would have succeeded")
        database.fail_order_inserts(every=1)
        time.sleep(0.5)
        met, tries = transaction_retries(stage), database.order_insert_attempts()
        time.sleep(OUTAGE_SECONDS)
        met, tries = transaction_retries(stage) - met, database.order_insert_attempts() - tries
        database.execute_all(
            f"DROP TRIGGER refuse{' ON orders' if database.name == PostgreSQL.name else ''}"
        )
        over = time.monotonic()
        report.notes.append(f"{met} requests in {tries} tries while all fail")
        # Each client may be between its two attempts when counting begins and ends.
        report.require(
            met > 0 and abs(tries - 2 * met) <= 2 * CLIENTS,
            "the requests were not tried twice each",
        )
        return Fault(over)

    under_load(stage, report, fault, after=1.0, max_seconds=MARGIN_SECONDS)
    report.require(report.refused > 0, "no request was refused while every insert failed")


@drill(
    "duplicate delivery",
    "a webhook and an order that are sent forty times at once take effect once, and every copy gets the same response",
    BOTH,
)
def duplicates(stage: Stage, report: Report) -> None:
    """Send one webhook and one order many times in parallel."""
    stage.serve()

    def fault(load: Load) -> Fault:
        order = next(iter(load.placed.values()))
        delivery, key = f"msg_{uuid4().hex}", str(uuid4())
        basket = {
            "currency": "EUR",
            "lines": [{"sku": "CUP", "quantity": 1, "unit_price_cents": 7}],
        }
        load.unconfirmed[key] = basket
        authorization = {"Authorization": f"Bearer {load.login.token}"}

        def place() -> Response:
            headers = authorization | {"Idempotency-Key": key}
            return Client(stage.port).send("POST", "/api/v1/orders", basket, headers)

        with ThreadPoolExecutor(8) as senders:
            paid = [
                senders.submit(deliver, stage, delivery, order.id, order.total_cents)
                for _ in range(40)
            ]
            placed = [senders.submit(place) for _ in range(40)]
            delivered = [each.result() for each in paid]
            answers = [each.result() for each in placed]
        report.require(
            {response.status for response in delivered} == {204},
            f"deliveries were answered {sorted({response.status for response in delivered})}",
        )
        ids = {
            response.body["id"] if response.status == 201 else response.status
            for response in answers
        }
        report.require(len(ids) == 1, f"one key gave {len(ids)} answers")
        stored = stage.database.query("SELECT COUNT(*) FROM orders WHERE total_cents = 7")
        report.require(stored[0][0] == 1, f"{stored[0][0]} orders of one key")
        deliveries = stage.database.query("SELECT COUNT(*) FROM webhook_deliveries")[0][0]
        again = stage.service.log.read_text(errors="replace").count("order paid twice")
        report.require(again == 0, "an order was paid twice")
        report.notes.append(
            f"40 copies of a payment and of an order, {deliveries} deliveries stored in all"
        )
        return Fault()

    before = stage.database.query("SELECT COUNT(*) FROM webhook_deliveries")[0][0]
    stage.database.execute_all("DELETE FROM order_lines", "DELETE FROM orders")
    under_load(stage, report, fault, after=0.5, max_seconds=MARGIN_SECONDS, refusals_allowed=False)
    after = stage.database.query("SELECT COUNT(*) FROM webhook_deliveries")[0][0]
    report.require(after - before == 1, f"{after - before} deliveries stored")


LOCK_SECONDS = 900  # how long an account is locked out for one network
HOUR = 3_600


def clock_settings(folder: Path, clock: Path) -> dict[str, str]:
    """Return the environment in which the drill controls the service's wall clock, and no other clock.

    libfaketime is not used: its version in Debian 12 breaks Python's `time.sleep`.
    """
    library = folder / "clock.so"
    source = Path(__file__).with_name("clock.c")
    command = [program("cc"), "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return {
        "LD_PRELOAD": str(library),
        "DRILL_CLOCK": str(clock),
        "RATE_LIMIT_ROUTES": "GET /api/v1/users/me=3/minute",
    }


def set_clock(clock: Path, seconds: int) -> None:
    """Set the service's clock this many seconds ahead."""
    with clock.open("r+b" if clock.exists() else "wb") as offset:
        offset.write(seconds.to_bytes(8, sys.byteorder, signed=True))


@drill(
    "clock jumps an hour ahead and back",
    "responses stay correct, an expired token is renewed, every order is on one page, and no lockout"
    " lasts longer than specified",
)
def clock_jumps(stage: Stage, report: Report) -> None:
    """Set the service's clock an hour ahead and back; the clocks of the databases do not change."""
    clock = stage.folder / "clock"
    set_clock(clock, 0)
    stage.serve(**clock_settings(stage.folder, clock))

    def fault(load: Load) -> Fault:
        client = Client(stage.port)
        for seconds in (HOUR, 0):
            set_clock(clock, seconds)
            time.sleep(OUTAGE_SECONDS / 2)
            shown = exceed_rate_limit(client, load)
            report.require(0 < shown <= 60, f"a rate limit of a minute lasts {shown} s")
            shown = lock_account(client)
            report.require(0 < shown <= LOCK_SECONDS, f"a lock of {LOCK_SECONDS} s lasts {shown} s")
            report.notes.append(f"at {seconds:+d} s a locked account waits {shown} s")
            time.sleep(OUTAGE_SECONDS / 2)
        report.notes.append(f"{load.login.renewals} renewals of the token")
        set_clock(clock, LOCK_SECONDS + 1)
        credentials = {"email": "nobody@example.com", "password": "wrong"}
        status = client.send("POST", "/api/v1/auth/login", credentials).status
        report.require(
            status == UNAUTHORIZED, f"after the time of the lock a login is answered {status}"
        )
        report.notes.append(f"after {LOCK_SECONDS} s it can log in again")
        return Fault(time.monotonic())

    load = under_load(stage, report, fault, max_seconds=MARGIN_SECONDS, refusals_allowed=False)
    report.require(load.login.renewals > 0, "no token expired: the jump had no effect")
    listed = all_listed(stage, load)
    missing = {placed.id for placed in load.placed.values()} - set(listed)
    report.require(not missing, f"{len(missing)} orders are on no page")
    report.require(len(listed) == len(set(listed)), "an order is on two pages")


def exceed_rate_limit(client: Client, load: Load) -> int:
    """Exceed a rate limit; return the Retry-After of the response."""
    for _ in range(8):
        headers = {"Authorization": f"Bearer {load.login.token}"}
        response = client.send("GET", "/api/v1/users/me", None, headers)
        if response.status == 429:
            return int(response.headers["retry-after"])
    return 0


def lock_account(client: Client) -> int:
    """Try wrong passwords until the account is locked; return the Retry-After of the response."""
    for _ in range(8):
        credentials = {"email": "nobody@example.com", "password": "wrong"}
        response = client.send("POST", "/api/v1/auth/login", credentials)
        if response.status == 429:
            return int(response.headers["retry-after"])
    return 0


def all_listed(stage: Stage, load: Load) -> list[str]:
    """Return the ids of the orders on all pages."""
    client = Client(stage.port)
    found: list[str] = []
    cursor = ""
    while True:
        token = load.login.token
        path = f"/api/v1/orders?limit=100{cursor}"
        response = client.send("GET", path, None, {"Authorization": f"Bearer {token}"})
        if response.status == 401 and load.login.renew(token):
            continue
        found += [order["id"] for order in response.body["items"]]
        if not response.body["next_cursor"]:
            return found
        cursor = f"&cursor={response.body['next_cursor']}"
