"""The drills: each one states its promise, lets something fail under load, and reports."""

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

from drills.deadlock import holding
from drills.load import CLIENTS, UNAUTHORIZED, Answer, Client, Load
from drills.servers import MariaDB, PostgreSQL, Server, program
from drills.stage import RECOVERY_SECONDS, Fault, Report, Stage, under_load
from drills.waiting import HANG_TIMEOUT_SECONDS, wait_until

AWAY_SECONDS = 3.0
STATEMENT_SECONDS = 1.0
POOL_SECONDS = 1.0
LONGEST_SECONDS = 1.0  # for which a client may wait when nothing is away
# A machine that is busy with other things answers late.
MARGIN_SECONDS = 2.0


@dataclass(frozen=True)
class Drill:
    """A drill, by name."""

    name: str
    promise: str
    run: Callable[[Stage, Report], None]
    databases: tuple[str, ...]


DRILLS: list[Drill] = []
BOTH = (PostgreSQL.name, MariaDB.name)


def drill(
    name: str, promise: str, databases: tuple[str, ...] = (PostgreSQL.name,)
) -> Callable[[Callable[[Stage, Report], None]], Callable[[Stage, Report], None]]:
    """List a function as a drill."""

    def listed(run: Callable[[Stage, Report], None]) -> Callable[[Stage, Report], None]:
        DRILLS.append(Drill(name, promise, run, databases))
        return run

    return listed


def away(server: Server) -> Callable[[Load], Fault]:
    """Stop a server for a while."""

    def fault(_load: Load) -> Fault:
        server.stop()
        time.sleep(AWAY_SECONDS)
        server.start()
        return Fault(time.monotonic())

    return fault


@drill(
    "database stopped and started",
    "503 with Retry-After in bounded time, no acknowledged write lost, back within 5 s",
    BOTH,
)
def database_stopped(stage: Stage, report: Report) -> None:
    """Take the database away."""
    stage.serve()
    under_load(stage, report, away(stage.database), longest=MARGIN_SECONDS)
    report.hold(report.refused > 0, "nothing was refused, so the fault was not felt")


@drill(
    "database read-only",
    "reads succeed, writes get 503 with Retry-After, readiness notices, back within 5 s",
    BOTH,
)
def database_read_only(stage: Stage, report: Report) -> None:
    """Let every session become one of a standby, and come back with the pools full of those."""
    stage.serve()
    ready: list[int] = []

    def fault(load: Load) -> Fault:
        with stage.database.read_only():
            time.sleep(AWAY_SECONDS / 2)
            right, ready[:] = load.tally.right, [readiness(stage)]
            time.sleep(AWAY_SECONDS / 2)
            report.hold(load.tally.right > right, "nothing could be read meanwhile")
        over = time.monotonic()
        ready.append(readiness(stage))
        return Fault(over)

    # One request is cut off together with its session, without harm: it is answered with 503.
    under_load(stage, report, fault, longest=MARGIN_SECONDS)
    report.hold(report.refused > 0, "nothing was refused, so the fault was not felt")
    report.hold(ready == [503, 200], f"readiness answered {ready}, not 503 and then 200")
    report.notes.append(f"readiness {ready[0]} meanwhile, {ready[1]} afterwards")


@drill("columns widened", "no request is refused, though every prepared statement is outdated")
def columns_widened(stage: Stage, report: Report) -> None:
    """Change the type of a column again and again, under prepared statements that return it."""
    stage.serve()
    before = pools_replaced(stage)

    def fault(_load: Load) -> Fault:
        for length in (8, 16, 24, 32):
            stage.database.do(f"ALTER TABLE orders ALTER COLUMN currency TYPE varchar({length})")
            time.sleep(AWAY_SECONDS / 4)
        return Fault()

    under_load(stage, report, fault, after=0.5, longest=MARGIN_SECONDS, refusing=False)
    report.hold(not report.failed, "a request failed")
    replaced = pools_replaced(stage) - before
    report.hold(replaced > 0, "no connection was replaced, so the fault was not felt")
    report.notes.append(f"widened 4 times, pools replaced {replaced} times")


def pools_replaced(stage: Stage) -> int:
    """Count in the log how often connections no longer served."""
    return stage.service.log.read_text(errors="replace").count("database connections replaced")


def readiness(stage: Stage) -> int:
    """Return the status with which the service answers whether it is ready."""
    try:
        url = f"http://127.0.0.1:{stage.service.port}/health/ready"
        with urllib.request.urlopen(url, timeout=HANG_TIMEOUT_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@drill(
    "connection pool exhausted",
    "503 after DATABASE_POOL_TIMEOUT_SECONDS or DATABASE_STATEMENT_TIMEOUT_MS, liveness unaffected, back within 5 s",
    BOTH,
)
def pool_exhausted(stage: Stage, report: Report) -> None:
    """Let the only connection of each process wait for a lock."""
    stage.serve(
        DATABASE_POOL_SIZE="1",
        DATABASE_MAX_OVERFLOW="0",
        DATABASE_POOL_TIMEOUT_SECONDS=str(POOL_SECONDS),
        WEB_THREADS="2",
    )

    def fault(_load: Load) -> Fault:
        with stage.database.locked():
            time.sleep(AWAY_SECONDS)
        return Fault(time.monotonic())

    # The holder of the connection waits for as long as the lock is held.
    under_load(stage, report, fault, longest=AWAY_SECONDS + MARGIN_SECONDS)
    report.hold(report.refused > 0, "nothing was refused, so the fault was not felt")


@drill(
    "slow queries",
    "503 after DATABASE_STATEMENT_TIMEOUT_MS, liveness unaffected although every thread waits, back within 5 s",
    BOTH,
)
def slow_queries(stage: Stage, report: Report) -> None:
    """Make every statement take longer than it may."""
    stage.serve(
        DATABASE_STATEMENT_TIMEOUT_MS=str(round(STATEMENT_SECONDS * 1_000)), WEB_THREADS="2"
    )

    def fault(_load: Load) -> Fault:
        with stage.database.locked():
            time.sleep(2 * AWAY_SECONDS)
        return Fault(time.monotonic())

    # An order that waits in vain is two statements that were cut off at most.
    under_load(stage, report, fault, longest=2 * STATEMENT_SECONDS + MARGIN_SECONDS)
    report.hold(report.refused > 0, "nothing was refused, so the fault was not felt")


@drill("Redis stopped", "every request gets its usual response; counted in Redis again within 10 s")
def redis_stopped(stage: Stage, report: Report) -> None:
    """Take away where rate limits are counted."""
    stage.serve()
    under_load(
        stage,
        report,
        away(stage.redis),
        after=10.0,
        longest=MARGIN_SECONDS,
        refusing=False,
    )
    report.hold(not report.failed, "a request failed")
    counted = stage.redis.keys()
    report.notes.append(f"{counted} counters in Redis afterwards")
    report.hold(counted > 0, "nothing is counted in Redis after its return")


@drill(
    "orders cancelled while Redis is stopped",
    "every read shows the present state of the order",
)
def cancelled_meanwhile(stage: Stage, report: Report) -> None:
    """Let Redis return with answers that are outdated."""
    keep_redis(stage, keeps=True)
    stage.serve()

    def fault(load: Load) -> Fault:
        shop = Shop(stage, load)
        hits = cache_hits(stage)
        orders = [shop.place() for _ in range(40)]
        for _ in range(2):
            shop.read_all(orders)
        stage.redis.stop()
        for order in orders[:20]:
            shop.cancel(order)
        shop.read_all(orders)
        time.sleep(AWAY_SECONDS)
        stage.redis.start()
        over = time.monotonic()
        outdated = stage.redis.keys("*/cache/orders/*")
        report.hold(outdated >= len(orders), f"Redis returned with {outdated} answers only")
        during = cache_hits(stage) - hits
        while time.monotonic() < over + 10:
            if time.monotonic() > over + 2:
                shop.cancel(orders[30])
            shop.read_all(orders)
        after = cache_hits(stage) - hits - during
        report.hold(after > 0, "nothing is read from Redis after its return")
        report.notes.append(
            f"21 of 40 orders cancelled, {shop.reads} reads of them; {outdated} answers from before"
            f" in Redis at its return; {during} reads from Redis before, {after} afterwards"
        )
        return Fault(over)

    try:
        under_load(stage, report, fault, after=0.5, longest=MARGIN_SECONDS, refusing=False)
    finally:
        keep_redis(stage, keeps=False)
    report.hold(not report.failed, "a request failed")


def keep_redis(stage: Stage, *, keeps: bool) -> None:
    """Start Redis again, with a disk or without one."""
    stage.redis.stop()
    stage.redis.keeps = keeps
    (stage.redis.folder / "dump.rdb").unlink(missing_ok=True)
    stage.redis.start()


def cache_hits(stage: Stage) -> int:
    """Count in the log how many reads were answered from Redis."""
    return len(re.findall(r'"cache": ?"hit"', stage.service.log.read_text(errors="replace")))


class Shop:
    """A client that knows what has become of its orders."""

    def __init__(self, stage: Stage, load: Load) -> None:
        self.load = load
        self.client = Client(stage.port)
        self.cancelled: set[str] = set()
        self.reads = 0

    def _send(self, method: str, path: str, body: object = None, key: str = "") -> Answer:
        headers = {"Authorization": f"Bearer {self.load.login.token}"}
        if key:
            headers["Idempotency-Key"] = key
        return self.client.send(method, f"/api/v1/orders{path}", body, headers)

    def place(self, email: str = "") -> str:
        """Place an order, and return its id; it is counted with those of the load."""
        key = str(uuid4())
        line = {"sku": "CUP", "quantity": 1, "unit_price_cents": 9}
        basket: dict[str, Any] = {"currency": "EUR", "lines": [line]}
        if email:
            basket["email"] = email
        self.load.open[key] = basket
        answer = self._send("POST", "", basket, key)
        if answer.status != 201:
            message = f"an order was answered {answer.status}"
            raise RuntimeError(message)
        return str(answer.body["id"])

    def cancel(self, order: str) -> None:
        """Cancel an order that is not cancelled yet."""
        if order in self.cancelled:
            return
        answer = self._send("POST", f"/{order}/cancel")
        if answer.status != 200:
            self.load.tally.failed[f"a cancellation was answered {answer.status}"] += 1
        self.cancelled.add(order)

    def read_all(self, orders: list[str]) -> None:
        """Read orders, and compare each with what it must be."""
        for order in orders:
            self.reads += 1
            answer = self._send("GET", f"/{order}")
            expected = "cancelled" if order in self.cancelled else "placed"
            if answer.status != 200:
                self.load.tally.failed[f"a read was answered {answer.status}"] += 1
            elif answer.body["status"] != expected:
                self.load.tally.wrong[f"shown as {answer.body['status']}, not {expected}"] += 1


@drill("collector stopped", "every request gets its usual response; spans arrive again within 15 s")
def collector_stopped(stage: Stage, report: Report) -> None:
    """Take away where spans go."""
    stage.serve()
    under_load(
        stage,
        report,
        away(stage.collector),
        after=15.0,
        longest=MARGIN_SECONDS,
        refusing=False,
    )
    spans = stage.collector.spans()
    report.notes.append(f"{spans} spans after its return")
    report.hold(spans > 0, "no span arrives after its return")


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
        report.hold_time(time.monotonic() - over, RECOVERY_SECONDS, "a new worker came")
        return Fault(over)

    load = under_load(stage, report, fault, longest=LONGEST_SECONDS, unsure=4)
    # The probe may have been with that worker too; it is no dependency.
    if load.tally.dead.total() == 1:
        report.broken = [each for each in report.broken if each != "a liveness probe failed"]


@drill(
    "disk full for logs",
    "no request fails; lines are written again when there is room",
)
def disk_full(stage: Stage, report: Report) -> None:
    """Write the log to a file system that fills up, or to one that always is full."""
    with small_disk(stage.folder / "disk") as log:
        stage.service.stop()
        stage.serves = None
        stage.service.start(output=log)

        def fault(_load: Load) -> Fault:
            if log == FULL:
                report.notes.append("written to /dev/full throughout, as mounting needs root")
                time.sleep(AWAY_SECONDS)
                return Fault()
            wait_until(lambda: full(log), "the disk is full")
            time.sleep(AWAY_SECONDS)
            with log.open("r+b") as lines:
                lines.truncate(0)
            report.notes.append("a disk of 64 KiB")
            return Fault(time.monotonic())

        under_load(stage, report, fault, longest=MARGIN_SECONDS, refusing=False)
        if log != FULL:
            written = [line for line in log.read_text(errors="replace").splitlines() if line]
            good = sum(map(is_json, written))
            report.notes.append(f"{good} lines written afterwards")
            report.hold(good > 0, "no line is written afterwards")
        stage.service.stop()


FULL = Path("/dev/full")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a tiny file system and return a file on it; without being allowed to, /dev/full."""
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
    """Tell whether nothing more fits beside a file."""
    return log.exists() and os.statvfs(log).f_bfree == 0


def is_json(line: str) -> bool:
    """Tell whether a log line is whole."""
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
    """Stop the service while clients go on."""
    stage.serve()

    def fault(load: Load) -> Fault:
        load.alive_is_expected = False
        process = stage.service.process
        seconds = stage.service.stop()
        report.notes.append(f"stopped in {seconds:.2f} s")
        report.hold_time(seconds, 25, "it stopped")
        report.hold(process is not None and process.returncode == 0, "it ended with an error")
        time.sleep(1)
        stage.serves = None
        stage.serve()
        return Fault(time.monotonic())

    # Until it runs again nginx answers alone.
    under_load(stage, report, fault, after=2.0, longest=LONGEST_SECONDS, unsure=sys.maxsize)


@drill(
    "HUP under load",
    "workers with the new settings replace the old ones; no request fails or waits for a second",
)
def hup(stage: Stage, report: Report) -> None:
    """Let Gunicorn reload, twice."""
    stage.serve()

    def fault(_load: Load) -> Fault:
        for _ in range(2):
            before = set(stage.service.workers())
            os.kill(stage.service.process.pid, signal.SIGHUP)  # type: ignore[union-attr]  # it runs
            wait_until(
                lambda before=before: (
                    len(set(stage.service.workers()) - before) == 2  # type: ignore[misc]  # as a default
                    and not before & set(stage.service.workers())
                ),
                "the workers are replaced",
            )
            time.sleep(1)
        return Fault(time.monotonic())

    under_load(stage, report, fault, after=1.0, longest=LONGEST_SECONDS, refusing=False)


@drill(
    "a new instance replaces the running one",
    "nginx reloads with a second Gunicorn, then the first one stops: no request fails or waits for a second",
)
def replacement(stage: Stage, report: Report) -> None:
    """Deploy as a platform does: start the new one, let requests go there, stop the old one."""
    stage.serve()

    def fault(_load: Load) -> Fault:
        for _ in range(2):
            old, new = stage.service, stage.service.beside()
            new.start(stage.serves)
            stage.proxy.point(new.port)
            stage.service = new
            seconds = old.stop()
            report.notes.append(f"the old one stopped in {seconds:.2f} s")
            report.hold_time(seconds, 25, "the old one stopped")
        return Fault(time.monotonic())

    under_load(stage, report, fault, after=1.0, longest=LONGEST_SECONDS, refusing=False)


@drill(
    "deadlock",
    "the service retries the request once, and it succeeds",
    BOTH,
)
def deadlock(stage: Stage, report: Report) -> None:
    """Wait for each other: a payment has its delivery and wants the order, we the other way round."""
    stage.serve()

    def fault(load: Load) -> Fault:
        while (met := collisions(stage) - before) < 3 and report.sent < 20:
            answer = collide(stage, load)
            report.sent += 1
            report.hold(
                answer.status == 204, f"a payment was answered {answer.status} {answer.body}"
            )
        report.notes.append(f"{met} deadlocks met by {report.sent} payments, all paid once")
        report.hold(met >= 3, "fewer deadlocks than were staged")
        return Fault()

    before = collisions(stage)
    under_load(stage, report, fault, after=0.5, longest=MARGIN_SECONDS, refusing=False)


def collisions(stage: Stage) -> int:
    """Count in the log how often the service met a deadlock or a serialization failure."""
    return stage.service.log.read_text(errors="replace").count("transactions collided")


def collide(stage: Stage, load: Load) -> Answer:
    """Deliver a payment into a deadlock with a transaction of ours, which gives up afterwards."""
    order = random.choice(list(load.placed.values()))  # noqa: S311
    delivery = f"msg_{uuid4().hex}"
    answers: list[Answer] = []
    with holding(stage, order.id, delivery) as close_the_circle:
        request = threading.Thread(
            target=lambda: answers.append(deliver(stage, delivery, order.id, order.total_cents))
        )
        request.start()
        close_the_circle()
    request.join()
    return answers[0]


def deliver(stage: Stage, delivery: str, order_id: str, cents: int) -> Answer:
    """Send a signed webhook that tells of a payment."""
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
    """Refuse inserts of orders as a server does that cannot serialize: in a trigger."""
    stage.serve()
    database = stage.database

    def fault(load: Load) -> Fault:
        # So rarely that no client meets it twice.
        database.order_refusals(every=20)
        time.sleep(AWAY_SECONDS)
        report.hold(not load.tally.refused, "refused, although the second try would have succeeded")
        database.order_refusals(every=1)
        time.sleep(0.5)
        met, tries = collisions(stage), database.order_tries()
        time.sleep(AWAY_SECONDS)
        met, tries = collisions(stage) - met, database.order_tries() - tries
        database.do(
            f"DROP TRIGGER refuse{' ON orders' if database.name == PostgreSQL.name else ''}"
        )
        over = time.monotonic()
        report.notes.append(f"{met} requests in {tries} tries while all fail")
        # Each client may be between its two tries at either end.
        report.hold(met > 0 and abs(tries - 2 * met) <= 2 * CLIENTS, "not tried twice each")
        return Fault(over)

    under_load(stage, report, fault, after=1.0, longest=MARGIN_SECONDS)
    report.hold(report.refused > 0, "nothing was refused while every try failed")


@drill(
    "duplicate delivery",
    "a webhook and an order that are sent forty times at once take effect once, and every copy gets the same response",
    BOTH,
)
def duplicates(stage: Stage, report: Report) -> None:
    """Send one webhook and one order many times at once."""
    stage.serve()

    def fault(load: Load) -> Fault:
        order = next(iter(load.placed.values()))
        delivery, key = f"msg_{uuid4().hex}", str(uuid4())
        basket = {
            "currency": "EUR",
            "lines": [{"sku": "CUP", "quantity": 1, "unit_price_cents": 7}],
        }
        load.open[key] = basket
        authorization = {"Authorization": f"Bearer {load.login.token}"}

        def place() -> Answer:
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
        report.hold(
            {answer.status for answer in delivered} == {204},
            f"deliveries were answered {sorted({answer.status for answer in delivered})}",
        )
        ids = {answer.body["id"] if answer.status == 201 else answer.status for answer in answers}
        report.hold(len(ids) == 1, f"one key gave {len(ids)} answers")
        stored = stage.database.rows("SELECT COUNT(*) FROM orders WHERE total_cents = 7")
        report.hold(stored[0][0] == 1, f"{stored[0][0]} orders of one key")
        deliveries = stage.database.rows("SELECT COUNT(*) FROM webhook_deliveries")[0][0]
        again = stage.service.log.read_text(errors="replace").count("order paid twice")
        report.hold(again == 0, "an order was paid twice")
        report.notes.append(
            f"40 copies of a payment and of an order, {deliveries} deliveries stored in all"
        )
        return Fault()

    before = stage.database.rows("SELECT COUNT(*) FROM webhook_deliveries")[0][0]
    stage.database.do("DELETE FROM order_lines", "DELETE FROM orders")
    under_load(stage, report, fault, after=0.5, longest=MARGIN_SECONDS, refusing=False)
    after = stage.database.rows("SELECT COUNT(*) FROM webhook_deliveries")[0][0]
    report.hold(after - before == 1, f"{after - before} deliveries stored")


LOCK_SECONDS = 900  # for which too many wrong passwords keep an account from one network
HOUR = 3_600


def clock_settings(folder: Path, clock: Path) -> dict[str, str]:
    """Return what puts the service's wall clock, and nothing else of its time, in our hands.

    libfaketime would do, but the version that Debian 12 has breaks Python's `time.sleep`.
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
    """Set the service's clock so many seconds ahead."""
    with clock.open("r+b" if clock.exists() else "wb") as offset:
        offset.write(seconds.to_bytes(8, sys.byteorder, signed=True))


@drill(
    "clock jumps an hour ahead and back",
    "responses stay correct, an expired token is renewed, every order is on one page, and no lockout"
    " lasts longer than specified",
)
def clock_jumps(stage: Stage, report: Report) -> None:
    """Set the service's clock an hour ahead and back again; the databases keep theirs."""
    clock = stage.folder / "clock"
    set_clock(clock, 0)
    stage.serve(**clock_settings(stage.folder, clock))

    def fault(load: Load) -> Fault:
        client = Client(stage.port)
        for seconds in (HOUR, 0):
            set_clock(clock, seconds)
            time.sleep(AWAY_SECONDS / 2)
            shown = limited(client, load)
            report.hold(0 < shown <= 60, f"a rate limit of a minute lasts {shown} s")
            shown = locked_out(client)
            report.hold(0 < shown <= LOCK_SECONDS, f"a lock of {LOCK_SECONDS} s lasts {shown} s")
            report.notes.append(f"at {seconds:+d} s a locked account waits {shown} s")
            time.sleep(AWAY_SECONDS / 2)
        report.notes.append(f"{load.login.renewals} renewals of the token")
        set_clock(clock, LOCK_SECONDS + 1)
        wrong = {"email": "nobody@example.com", "password": "wrong"}
        status = client.send("POST", "/api/v1/auth/login", wrong).status
        report.hold(
            status == UNAUTHORIZED, f"after the time of the lock a login is answered {status}"
        )
        report.notes.append(f"after {LOCK_SECONDS} s it can log in again")
        return Fault(time.monotonic())

    load = under_load(stage, report, fault, longest=MARGIN_SECONDS, refusing=False)
    report.hold(load.login.renewals > 0, "no token expired, so the jump was not felt")
    listed = all_listed(stage, load)
    missing = {placed.id for placed in load.placed.values()} - set(listed)
    report.hold(not missing, f"{len(missing)} orders are on no page")
    report.hold(len(listed) == len(set(listed)), "an order is on two pages")


def limited(client: Client, load: Load) -> int:
    """Use up a rate limit, and return the seconds until the next request is allowed."""
    for _ in range(8):
        headers = {"Authorization": f"Bearer {load.login.token}"}
        answer = client.send("GET", "/api/v1/users/me", None, headers)
        if answer.status == 429:
            return int(answer.headers["retry-after"])
    return 0


def locked_out(client: Client) -> int:
    """Try wrong passwords for one account; return the seconds until it may be tried again."""
    for _ in range(8):
        wrong = {"email": "nobody@example.com", "password": "wrong"}
        answer = client.send("POST", "/api/v1/auth/login", wrong)
        if answer.status == 429:
            return int(answer.headers["retry-after"])
    return 0


def all_listed(stage: Stage, load: Load) -> list[str]:
    """Return the ids on all pages."""
    client = Client(stage.port)
    found: list[str] = []
    cursor = ""
    while True:
        token = load.login.token
        path = f"/api/v1/orders?limit=100{cursor}"
        answer = client.send("GET", path, None, {"Authorization": f"Bearer {token}"})
        if answer.status == 401 and load.login.renew(token):
            continue
        found += [order["id"] for order in answer.body["items"]]
        if not answer.body["next_cursor"]:
            return found
        cursor = f"&cursor={answer.body['next_cursor']}"
