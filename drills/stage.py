"""What a drill stands on, and what it reports."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from drills.load import Load, Login
from drills.servers import Collector, Database, Nginx, RabbitMQ, Redis
from drills.service import Service, generate
from drills.waiting import HANG_TIMEOUT_SECONDS

PROBE_SECONDS = 1.0
RECOVERY_SECONDS = 5.0
"""How soon after the return of a dependency the last request may go wrong."""
CALM_SECONDS = 1.0
"""Load before the fault, so that connections are open and caches warm."""


@dataclass
class Stage:
    """A service with everything that it depends on, all of it private."""

    folder: Path
    database: Database
    redis: Redis
    collector: Collector
    service: Service
    proxy: Nginx
    broker: RabbitMQ | None = None
    """Made and started by the first drill that needs one."""
    serves: dict[str, str] | None = None
    """The settings that the running service was started with; None: it does not run."""

    @classmethod
    @contextmanager
    def built(cls, folder: Path, kind: type[Database]) -> Iterator["Stage"]:
        """Generate the service and start its servers; stop them all at the end."""
        (own := folder / f"for-{kind.name}").mkdir()
        own.chmod(0o755)
        project = generate(own, kind.answer)
        servers = [kind(own), Redis(own), Collector(own)]
        try:
            for server in servers:
                server.start()
            database, redis, collector = servers
            service = Service(
                project,
                DATABASE_URL=database.url,  # type: ignore[attr-defined]  # the first one is
                REDIS_URL=redis.url,  # type: ignore[attr-defined]
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,  # type: ignore[attr-defined]
            )
            service.set_up()
            proxy = Nginx(own, project / "deploy" / "nginx" / "nginx.conf", service.port)
            servers.append(proxy)
            proxy.start()
            stage = cls(own, database, redis, collector, service, proxy)  # type: ignore[arg-type]
            try:
                yield stage
            finally:
                stage.service.stop()
                if stage.broker:
                    stage.broker.stop()
        finally:
            for server in reversed(servers):
                server.stop()

    @property
    def port(self) -> int:
        """Where clients ask: at the proxy."""
        return self.proxy.port

    def rabbitmq(self) -> RabbitMQ:
        """Return the broker, which runs then."""
        if self.broker is None:
            broker = RabbitMQ(self.folder)
            try:
                broker.start()
            except BaseException:
                broker.stop()
                raise
            self.broker = broker
        elif not self.broker.answers():
            self.broker.start()
        return self.broker

    def serve(self, **settings: str) -> None:
        """Have the service run with these settings, restarted only if they have changed."""
        running = self.service.process is not None and self.service.process.poll() is None
        if self.serves != settings or not running:
            self.service.stop()
            self.service.start(settings)
            self.serves = settings

    def lost(self, load: Load) -> list[str]:
        """Compare what was acknowledged with what the database has."""
        rows = self.database.rows("SELECT id, total_cents FROM orders")
        stored = Counter(str(UUID(str(row[0]))) for row in rows)
        totals = {str(UUID(str(row[0]))): int(row[1]) for row in rows}
        found = []
        for placed in load.placed.values():
            if stored[placed.id] != 1:
                found.append(f"{placed.id} is stored {stored[placed.id]} times")
            elif totals[placed.id] != placed.total_cents:
                found.append(f"{placed.id} is stored with another total")
        return found

    def orders(self) -> int:
        """Return how many orders there are."""
        return int(self.database.rows("SELECT COUNT(*) FROM orders")[0][0])


@dataclass
class Report:
    """What a drill found."""

    drill: str
    promise: str
    timed: bool = True
    """Whether promises of time are held to the second."""
    sent: int = 0
    right: int = 0
    refused: int = 0
    resent: int = 0
    not_accepted: int = 0
    unsure: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: int = 0
    longest: float = 0.0
    recovery: float | None = None
    probes: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    slowest_probe: float = 0.0
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def hold(self, kept: bool, otherwise: str) -> None:  # noqa: FBT001  reads as a sentence
        """Note a promise that was broken."""
        if not kept:
            self.broken.append(otherwise)

    def hold_time(self, seconds: float, at_most: float, what: str) -> None:
        """Note what took longer than promised.

        Untimed, as in `make test`, which shares its machine, only what hangs breaks the promise.
        """
        limit = at_most if self.timed else max(at_most, HANG_TIMEOUT_SECONDS)
        self.hold(seconds <= limit, f"{what} after {seconds:.1f} s, not within {limit:.1f} s")

    def line(self) -> str:
        """Say it in one line."""
        words = [
            f"{self.sent} sent",
            f"{self.right} right",
            f"{self.refused} refused with 503 and Retry-After",
            f"{self.failed.total()} failed otherwise{_listed(self.failed)}",
            f"{self.wrong.total()} wrong{_listed(self.wrong)}",
            f"{len(self.lost)} of {self.acknowledged} acknowledged writes lost",
            f"longest answer {self.longest:.2f} s",
        ]
        if self.unsure:
            words.insert(3, f"{self.unsure} answered 502 or 504 by nginx, with Retry-After")
        if self.not_accepted:
            words.insert(3, f"{self.not_accepted} turned away at the closed door")
        if self.resent:
            words.append(f"{self.resent} sent again as their kept connection was closed")
        if self.recovery is not None:
            words.append(f"recovery {self.recovery:.2f} s")
        words.append(
            f"{self.dead.total()} of {self.probes} liveness probes failed{_listed(self.dead)},"
            f" the slowest took {self.slowest_probe:.2f} s"
        )
        words += self.notes
        verdict = f"BROKEN: {'; '.join(self.broken)}" if self.broken else "kept"
        return f"{self.drill}: {', '.join(words)}. Promise ({self.promise}): {verdict}"


def _listed(counted: Counter[str]) -> str:
    return (
        f" ({', '.join(f'{number} of: {what}' for what, number in counted.most_common(3))})"
        if counted
        else ""
    )


@dataclass
class Fault:
    """What happened to a dependency, and when it was over."""

    over: float | None = None
    """The monotonic time at which everything was there again; None: there is nothing to return."""


def under_load(  # noqa: PLR0913
    stage: Stage,
    report: Report,
    fault: Callable[[Load], Fault],
    *,
    after: float = RECOVERY_SECONDS + 0.5,
    longest: float,
    failing: int = 0,
    unsure: int = 0,
    refusing: bool = True,
    email: str = "",
) -> Load:
    """Run a fault under load, settle what is open, and hold the report to the usual promises.

    `longest` bounds every answer in seconds, `failing` the requests that may get no clear answer, and
    `unsure` those that nginx may answer with 502 or 504; without `refusing` none may be answered with
    503. With an `email` every order asks for a receipt.
    """
    before = stage.orders()
    load = Load(
        stage.port, Login(stage.port), email=email, probed=lambda: stage.service.liveness_port
    )
    load.start()
    try:
        time.sleep(CALM_SECONDS)
        calm = load.tally.right
        happened = fault(load)
        time.sleep(after)
    finally:
        load.stop()
    tally = load.tally
    if happened.over is not None:
        report.recovery = max(0.0, tally.last_not_right - happened.over)
    report.sent, report.right, report.refused = tally.sent, tally.right, tally.refused
    report.resent = tally.resent
    report.unsure = tally.unsure
    report.not_accepted, report.longest = tally.not_accepted, tally.longest
    report.failed, report.wrong = tally.failed.copy(), tally.wrong.copy()
    report.probes, report.dead = tally.probes, tally.dead
    report.slowest_probe = tally.slowest_probe
    settle(stage, report, load, before)
    report.hold(calm > 0, "nothing was answered before the fault")
    report.hold(tally.right > calm, "nothing was answered after the fault")
    report.hold(tally.failed.total() <= failing, f"more than {failing} without a clear answer")
    report.hold(tally.unsure <= unsure, f"more than {unsure} answered 502 or 504")
    report.hold(refusing or not tally.refused, "a request was refused")
    report.hold_time(tally.longest, longest, "the slowest answer came")
    report.hold_time(report.recovery or 0.0, RECOVERY_SECONDS, "recovered")
    report.hold_time(tally.slowest_probe, PROBE_SECONDS, "the slowest liveness probe was answered")
    return load


def settle(stage: Stage, report: Report, load: Load, before: int) -> None:
    """Send again what is open, and look in the database for every order exactly once."""
    load.send_again()
    report.acknowledged = len(load.placed)
    report.lost = stage.lost(load)
    report.doubled = stage.orders() - before - len(load.placed) - len(load.open)
    report.hold(not load.open, f"{len(load.open)} orders could not be placed at all")
    report.hold(not report.lost, f"{len(report.lost)} acknowledged orders lost")
    report.hold(report.doubled == 0, f"{report.doubled} orders more than were placed")
    report.hold(not load.tally.wrong, "a wrong answer")
    report.hold(not load.tally.dead, "a liveness probe failed")
