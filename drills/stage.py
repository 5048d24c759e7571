"""The servers of a drill, its fault under load, and its report."""

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
"""Time from the return of a dependency to the last failed request, at most."""
CALM_SECONDS = 1.0
"""Load before the fault, so that connections are open and caches warm."""


@dataclass
class Stage:
    """A generated service and private servers of everything that it depends on."""

    folder: Path
    database: Database
    redis: Redis
    collector: Collector
    service: Service
    proxy: Nginx
    broker: RabbitMQ | None = None
    """Created and started by the first drill that needs it."""
    serves: dict[str, str] | None = None
    """The settings of the running service; None while it is stopped."""

    @classmethod
    @contextmanager
    def running(cls, folder: Path, kind: type[Database]) -> Iterator["Stage"]:
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
        """The port of the proxy, to which clients connect."""
        return self.proxy.port

    def rabbitmq(self) -> RabbitMQ:
        """Return the broker; start it if it is not running."""
        if self.broker is None:
            broker = RabbitMQ(self.folder)
            try:
                broker.start()
            except BaseException:
                broker.stop()
                raise
            self.broker = broker
        elif not self.broker.is_ready():
            self.broker.start()
        return self.broker

    def serve(self, **settings: str) -> None:
        """Run the service with these settings; restart it only if they have changed."""
        running = self.service.process is not None and self.service.process.poll() is None
        if self.serves != settings or not running:
            self.service.stop()
            self.service.start(settings)
            self.serves = settings

    def lost(self, load: Load) -> list[str]:
        """List acknowledged orders that the database does not have exactly once."""
        rows = self.database.query("SELECT id, total_cents FROM orders")
        stored = Counter(str(UUID(str(row[0]))) for row in rows)
        totals = {str(UUID(str(row[0]))): int(row[1]) for row in rows}
        found = []
        for placed in load.placed.values():
            if stored[placed.id] != 1:
                found.append(f"{placed.id} is stored {stored[placed.id]} times")
            elif totals[placed.id] != placed.total_cents:
                found.append(f"{placed.id} is stored with another total")
        return found

    def order_count(self) -> int:
        """Return the number of stored orders."""
        return int(self.database.query("SELECT COUNT(*) FROM orders")[0][0])


@dataclass
class Report:
    """The counts and the broken requirements of a drill."""

    drill: str
    promise: str
    timed: bool = True
    """Whether time limits are enforced."""
    sent: int = 0
    correct: int = 0
    refused: int = 0
    resent: int = 0
    connection_refused: int = 0
    gateway_errors: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    incorrect: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: int = 0
    slowest: float = 0.0
    recovery: float | None = None
    probes: int = 0
    failed_probes: Counter[str] = field(default_factory=Counter)
    slowest_probe: float = 0.0
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def require(self, met: bool, otherwise: str) -> None:  # noqa: FBT001  reads as a sentence
        """Record a requirement that was not met."""
        if not met:
            self.broken.append(otherwise)

    def require_within(self, seconds: float, at_most: float, what: str) -> None:
        """Record an action that took longer than promised.

        With `timed=False`, as in `make test` on a busy machine, only a hang counts.
        """
        limit = at_most if self.timed else max(at_most, HANG_TIMEOUT_SECONDS)
        self.require(seconds <= limit, f"{what} after {seconds:.1f} s, not within {limit:.1f} s")

    def line(self) -> str:
        """Format the report as one line."""
        words = [
            f"{self.sent} sent",
            f"{self.correct} correct",
            f"{self.refused} refused with 503 and Retry-After",
            f"{self.failed.total()} failed otherwise{_listed(self.failed)}",
            f"{self.incorrect.total()} incorrect{_listed(self.incorrect)}",
            f"{len(self.lost)} of {self.acknowledged} acknowledged writes lost",
            f"slowest response {self.slowest:.2f} s",
        ]
        if self.gateway_errors:
            words.insert(3, f"{self.gateway_errors} got a 502 or 504 of nginx, with Retry-After")
        if self.connection_refused:
            words.insert(3, f"{self.connection_refused} refused as connections")
        if self.resent:
            words.append(f"{self.resent} sent again after their persistent connection was closed")
        if self.recovery is not None:
            words.append(f"recovery {self.recovery:.2f} s")
        words.append(
            f"{self.failed_probes.total()} of {self.probes} liveness probes failed{_listed(self.failed_probes)},"
            f" the slowest took {self.slowest_probe:.2f} s"
        )
        words += self.notes
        outcome = f"BROKEN: {'; '.join(self.broken)}" if self.broken else "kept"
        return f"{self.drill}: {', '.join(words)}. Promise ({self.promise}): {outcome}"


def _listed(counted: Counter[str]) -> str:
    return (
        f" ({', '.join(f'{number} of: {what}' for what, number in counted.most_common(3))})"
        if counted
        else ""
    )


@dataclass
class Fault:
    """The end of a fault."""

    over: float | None = None
    """The monotonic time at which every dependency was available again; None if none was stopped."""


def under_load(  # noqa: PLR0913
    stage: Stage,
    report: Report,
    fault: Callable[[Load], Fault],
    *,
    after: float = RECOVERY_SECONDS + 0.5,
    max_seconds: float,
    max_failed: int = 0,
    max_gateway_errors: int = 0,
    refusals_allowed: bool = True,
    email: str = "",
) -> Load:
    """Cause a fault under load, resend unconfirmed orders, and check the common requirements.

    `max_seconds` limits the time of each response, `max_failed` the number of failed requests, and
    `max_gateway_errors` the number of 502 and 504 responses of nginx. Unless `refusals_allowed`, a 503 breaks
    the promise. With an `email` every order requests a receipt.
    """
    before = stage.order_count()
    load = Load(
        stage.port,
        Login(stage.port),
        email=email,
        liveness_port=lambda: stage.service.liveness_port,
    )
    load.start()
    try:
        time.sleep(CALM_SECONDS)
        calm = load.counts.correct
        ended = fault(load)
        time.sleep(after)
    finally:
        load.stop()
    counts = load.counts
    if ended.over is not None:
        report.recovery = max(0.0, counts.last_failure - ended.over)
    report.sent, report.correct, report.refused = counts.sent, counts.correct, counts.refused
    report.resent = counts.resent
    report.gateway_errors = counts.gateway_errors
    report.connection_refused, report.slowest = counts.connection_refused, counts.slowest
    report.failed, report.incorrect = counts.failed.copy(), counts.incorrect.copy()
    report.probes, report.failed_probes = counts.probes, counts.failed_probes
    report.slowest_probe = counts.slowest_probe
    settle(stage, report, load, before)
    report.require(calm > 0, "no correct response before the fault")
    report.require(counts.correct > calm, "no correct response after the fault")
    report.require(counts.failed.total() <= max_failed, f"more than {max_failed} failed requests")
    report.require(
        counts.gateway_errors <= max_gateway_errors,
        f"more than {max_gateway_errors} got a 502 or 504",
    )
    report.require(refusals_allowed or not counts.refused, "a request was refused")
    report.require_within(counts.slowest, max_seconds, "the slowest response came")
    report.require_within(report.recovery or 0.0, RECOVERY_SECONDS, "recovered")
    report.require_within(
        counts.slowest_probe, PROBE_SECONDS, "the slowest liveness probe was answered"
    )
    return load


def settle(stage: Stage, report: Report, load: Load, before: int) -> None:
    """Resend unconfirmed orders, and check that the database has each order exactly once."""
    load.send_again()
    report.acknowledged = len(load.placed)
    report.lost = stage.lost(load)
    report.duplicated = stage.order_count() - before - len(load.placed) - len(load.unconfirmed)
    report.require(
        not load.unconfirmed, f"{len(load.unconfirmed)} orders could not be placed at all"
    )
    report.require(not report.lost, f"{len(report.lost)} acknowledged orders lost")
    report.require(report.duplicated == 0, f"{report.duplicated} orders more than were placed")
    report.require(not load.counts.incorrect, "an incorrect response")
    report.require(not load.counts.failed_probes, "a liveness probe failed")
