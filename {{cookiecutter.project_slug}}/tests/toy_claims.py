"""Claims on the toy domain's notes: with a database, no two runs send the same note.

A row stores the state of each note. A run of the task claims the row, sends the note and marks it
as sent. If the run dies, its claim expires after the longest possible run.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import affected, writing
from app.core.tasks import RetryLater, Task, tasks
from app.core.tasks.outbox import outbox
from tests.toy_tables import ToyBase

Run = Callable[[dict[str, Any]], None]


class Claim(ToyBase, kw_only=True):
    """A note to send, and until when a run has claimed it."""

    __tablename__ = "claims"

    note_id: Mapped[UUID] = mapped_column(primary_key=True)
    claimed_until: Mapped[datetime | None] = mapped_column(default=None)
    sent_at: Mapped[datetime | None] = mapped_column(default=None)


def enqueue(task: Task, values: dict[str, Any]) -> None:
    """Store a note and its message in one transaction; a worker runs the task after the commit."""
    with writing() as session:
        session.add(Claim(note_id=values["id"]))
        outbox.current.add(session, task, values)


def once(run: Run) -> Run:
    """Make a task run only for a note that it can claim."""

    @wraps(run)
    def run_once(values: dict[str, Any]) -> None:
        note_id = values["id"]
        if not claim(note_id):
            return
        try:
            run(values)
        except OSError:
            change(note_id, claimed_until=None)
            raise
        change(note_id, claimed_until=None, sent_at=datetime.now(UTC))

    return run_once


def claim(note_id: UUID) -> bool:
    """Claim a note; return whether there is one that was not sent.

    Raises:
        RetryLater: while another run has claimed the note.

    """
    now = datetime.now(UTC)
    # No run lasts longer, not even one orphaned by its worker and waiting for a slow server.
    until = now + timedelta(seconds=2 * tasks.current.settings.task_hard_time_limit_seconds)
    free = or_(Claim.claimed_until.is_(None), Claim.claimed_until <= now)
    mine = update(Claim).where(Claim.note_id == note_id, Claim.sent_at.is_(None), free)
    unsent = select(Claim.claimed_until).where(Claim.note_id == note_id, Claim.sent_at.is_(None))
    with writing() as session:
        done = session.execute(mine.values(claimed_until=until))
        found = session.execute(unsent).one_or_none()
    if found is None:
        return False
    if not affected(done):
        raise RetryLater((found.claimed_until - now).total_seconds() + 1)
    return True


def change(note_id: UUID, **values: object) -> None:
    """Change the state of a note."""
    with writing() as session:
        session.execute(update(Claim).where(Claim.note_id == note_id).values(**values))
