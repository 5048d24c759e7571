"""Periodic jobs. Each run happens once, however many schedulers are running.

Every worker that embeds Celery's beat sends a message for each run. The worker that receives a message claims the
run in the database before it starts, and only one claim succeeds.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flask import Flask
from sqlalchemy import BigInteger, String, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, affected, writing
from app.core.extension import Extension

logger = logging.getLogger(__name__)


class ScheduledRun(Base, kw_only=True):
    """The last run of a job that a worker has claimed."""

    __tablename__ = "scheduled_runs"

    job: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Job:
    """A function that runs at a fixed interval, in seconds."""

    app: Flask
    name: str
    seconds: float
    run: Callable[[], object]

    def claim_and_run(self) -> bool:
        """Claim the current run and execute it; return whether this call executed it."""
        with self.app.app_context():
            if not claim(self.name, int(time.time() / self.seconds)):
                return False
            self.run()
            return True


class PeriodicJobs:
    """The periodic jobs of one application."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._jobs: list[Job] = []

    def __iter__(self) -> Iterator[Job]:
        """Iterate over the jobs."""
        return iter(self._jobs)

    def add(self, name: str, seconds: float, run: Callable[[], object]) -> None:
        """Register a function that runs every `seconds`, in the application context."""
        self._jobs.append(Job(self._app, name, seconds, run))


def claim(job: str, number: int) -> bool:
    """Claim a run; return whether it was still free.

    Run numbers are compared for equality, so a clock that was ahead costs only one extra run.
    Compared by order, no run would start until the other clocks had caught up.
    """
    statement = (
        update(ScheduledRun)
        .where(ScheduledRun.job == job, ScheduledRun.number != number)
        .values(number=number)
    )
    with writing() as session:
        if affected(session.execute(statement)):
            return True
        if session.get(ScheduledRun, job):
            return False
    try:
        with writing() as session:
            session.add(ScheduledRun(job=job, number=number))
    except IntegrityError:  # another worker has inserted the job's first row
        return False
    return True


periodic_jobs = Extension[PeriodicJobs]("periodic_jobs")


def init_app(app: Flask) -> None:
    """Give the application an empty list of jobs."""
    periodic_jobs.set(app, PeriodicJobs(app))
