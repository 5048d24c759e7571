"""What is done again and again. Each tick takes effect once, however many workers have a beat.

The beat of each worker sends ticks; whoever gets one takes the turn in the database before it acts,
and only one can.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from flask import Flask
from sqlalchemy import BigInteger, CursorResult, String, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, writing

logger = logging.getLogger(__name__)


class ScheduledRun(Base, kw_only=True):
    """Which turn of a job has been taken last."""

    __tablename__ = "scheduled_runs"

    job: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done every so many seconds."""

    app: Flask
    name: str
    seconds: float
    run: Callable[[], object]

    def tick(self) -> bool:
        """Do it, unless this turn has been taken; tell whether it was done."""
        with self.app.app_context():
            if not take(self.name, int(time.time() / self.seconds)):
                return False
            self.run()
            return True


class Schedule:
    """The jobs of one application."""

    def __init__(self, app: Flask) -> None:
        """Begin without any."""
        self._app = app
        self._jobs: list[Job] = []

    def __iter__(self) -> Iterator[Job]:
        """Return all jobs."""
        return iter(self._jobs)

    def add(self, name: str, seconds: float, run: Callable[[], object]) -> None:
        """Do something every so many seconds, inside the application."""
        self._jobs.append(Job(self._app, name, seconds, run))


def take(job: str, number: int) -> bool:
    """Take a turn; tell whether it was free.

    Numbers are compared for equality: a clock that was wrong for a while then costs a turn too many,
    and never all turns until the others' clocks have come as far.
    """
    mine = (
        update(ScheduledRun)
        .where(ScheduledRun.job == job, ScheduledRun.number != number)
        .values(number=number)
    )
    with writing() as session:
        if cast("CursorResult[None]", session.execute(mine)).rowcount:
            return True
        if session.get(ScheduledRun, job):
            return False
    try:
        with writing() as session:
            session.add(ScheduledRun(job=job, number=number))
    except IntegrityError:  # somebody else has begun at this moment
        return False
    return True


def of(app: Flask) -> Schedule:
    """Return the schedule of this application."""
    return cast("Schedule", app.extensions["schedule"])


def init_app(app: Flask) -> None:
    """Give the application an empty schedule."""
    app.extensions["schedule"] = Schedule(app)
