"""The transactional outbox: messages are stored in the transaction that creates them.

They are sent after the commit, so a row and its message are stored together or not at all. A
message stays in the outbox until its task is done, so a broker that is unavailable, or loses a
message, only delays it.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import click
import orjson
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy import Delete, String, Text, Update, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import telemetry
from app.core.database import AFTER_COMMIT, Base, affected, pruning, reading, writing
from app.core.extension import Extension
from app.core.tasks.runner import (
    DEAD,
    DEAD_LETTER_TTL_SECONDS,
    BrokerUnavailable,
    Message,
    Task,
    TaskOutcome,
    Tasks,
    tasks,
)
from app.core.tasks.schedule import periodic_jobs

logger = logging.getLogger(__name__)

RELAY_INTERVAL_SECONDS = 2.0  # the relay's polling interval
BATCH_SIZE = 100  # of one poll
# A message that is not done this long after it was sent, or its run started, is sent again.
VISIBILITY_TIMEOUT_SECONDS = 300.0
AN_HOUR = 3_600.0


class OutboxMessage(Base, kw_only=True):
    """A message whose task is not done yet."""

    __tablename__ = "outbox_messages"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(String(64))
    # JSON as text, because no query reads inside it.
    body: Mapped[str] = mapped_column(Text)
    headers: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=0)
    waiting_since: Mapped[datetime]
    """When it was stored, or last retried as a dead letter."""
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    died_at: Mapped[datetime | None] = mapped_column(index=True, default=None)
    """When it became a dead letter, which an operator can retry for DEAD_LETTER_TTL_SECONDS."""


class Outbox:
    """The outbox of one application, and the message store of its tasks."""

    def __init__(self, own_tasks: Tasks) -> None:
        self._tasks = own_tasks
        limit = own_tasks.settings.task_hard_time_limit_seconds
        seconds = max(VISIBILITY_TIMEOUT_SECONDS, 2.0 * limit)
        self._visibility_timeout = timedelta(seconds=seconds)

    def add(self, session: Session, task: Task, values: Mapping[str, Any]) -> None:
        """Store a message in the session's transaction; it is sent after the commit."""
        message = self._tasks.create_message(task, values)
        session.add(
            OutboxMessage(
                id=UUID(message.id),
                task=message.task,
                body=orjson.dumps(message.values).decode(),
                headers=orjson.dumps(message.headers).decode(),
                waiting_since=(now := _now()),
                due_at=now + self._visibility_timeout,
            )
        )
        session.info.setdefault(AFTER_COMMIT, []).append(partial(self._send, message))

    def start_attempt(self, message_id: str) -> int | None:
        """Count an attempt and return its number; None when there is nothing left to do."""
        alive = OutboxMessage.id == UUID(message_id), OutboxMessage.died_at.is_(None)
        values = {
            "attempts": OutboxMessage.attempts + 1,
            "due_at": _now() + self._visibility_timeout,
        }
        attempts = select(OutboxMessage.attempts).where(*alive)
        with writing() as session:
            session.execute(update(OutboxMessage).where(*alive).values(values))
            return session.execute(attempts).scalar_one_or_none()

    def record_outcome(self, message_id: str, outcome: TaskOutcome) -> None:
        """Delete a message that is done; otherwise store when it is due again, or mark it dead."""
        try:
            one = OutboxMessage.id == UUID(message_id)
        except ValueError:  # not a message of this service
            return
        now = _now()
        statement: Delete | Update = delete(OutboxMessage).where(one)
        if outcome.retry_seconds is not None:
            due_at = now + timedelta(seconds=outcome.retry_seconds)
            attempts = OutboxMessage.attempts - (0 if outcome.counts else 1)
            statement = update(OutboxMessage).where(one).values(due_at=due_at, attempts=attempts)
        elif outcome == DEAD:
            statement = update(OutboxMessage).where(one).values(due_at=None, died_at=now)
        with writing() as session:
            session.execute(statement)

    def relay(self) -> int:
        """Send the messages that are due, until the broker is unavailable; return their number.

        Any number of relays may run: only one of them can claim a message.
        """
        due = (
            select(OutboxMessage)
            .where(OutboxMessage.due_at <= _now())
            .order_by(OutboxMessage.due_at)
            .limit(BATCH_SIZE)
        )
        with reading() as connection:
            rows = connection.execute(due).all()
        sent = 0
        for row in rows:
            if not self._claim(row.id, row.due_at):
                continue
            headers = orjson.loads(row.headers)
            message = Message(row.task, orjson.loads(row.body), headers, str(row.id))
            if not self._send(message):
                break
            sent += 1
        return sent

    def _claim(self, message_id: UUID, due_at: datetime) -> bool:
        """Postpone a message if its `due_at` has not changed: of two relays, only one succeeds."""
        unclaimed = OutboxMessage.id == message_id, OutboxMessage.due_at == due_at
        claim = (
            update(OutboxMessage).where(*unclaimed).values(due_at=_now() + self._visibility_timeout)
        )
        with writing() as session:
            return bool(affected(session.execute(claim)))

    def _send(self, message: Message) -> bool:
        """Send a message and return whether it was sent; if not, leave it to the next relay."""
        try:
            self._tasks.publish(message)
        except BrokerUnavailable:
            due = OutboxMessage.id == UUID(message.id)
            try:
                with writing() as session:
                    session.execute(update(OutboxMessage).where(due).values(due_at=_now()))
            except Exception as error:  # noqa: BLE001  the message is stored, and due later
                fields = {telemetry.ERROR_TYPE: type(error).__name__}
                logger.error("outbox update failed", extra=fields)  # noqa: TRY400
            return False
        return True


def retry_dead_letters() -> int:
    """Make all dead letters due again, with no attempts counted; return their number."""
    dead = update(OutboxMessage).where(OutboxMessage.died_at.is_not(None))
    now = _now()
    with writing() as session:
        done = session.execute(dead.values(attempts=0, waiting_since=now, due_at=now, died_at=None))
    return affected(done)


def delete_dead_before(moment: datetime) -> int:
    """Delete the messages that became dead letters before a moment; return their number."""
    return pruning.delete_all(OutboxMessage, OutboxMessage.died_at < moment)


def _now() -> datetime:
    return datetime.now(UTC)


outbox = Extension[Outbox]("outbox")


def init_app(app: Flask) -> None:
    """Store the messages of this application's tasks until they are done."""
    own_tasks = tasks.of(app)
    own_tasks.message_store = store = outbox.set(app, Outbox(own_tasks))
    periodic_jobs.of(app).add("outbox.relay", RELAY_INTERVAL_SECONDS, store.relay)
    ttl = timedelta(seconds=DEAD_LETTER_TTL_SECONDS)
    rule = pruning.register(app, "dead_letters", delete_dead_before, keep=ttl)
    periodic_jobs.of(app).add("outbox.delete_dead", AN_HOUR, rule.apply)
    app.cli.add_command(commands)


commands = AppGroup("outbox", help="Messages that wait for workers.")


@commands.command("relay")
def relay() -> None:
    """Send the messages that are due; workers also do this by themselves."""
    click.echo(f"{outbox.current.relay()} messages sent")


@commands.command("retry")
def retry() -> None:
    """Retry all dead letters, once the cause of their failure is fixed."""
    click.echo(f"{retry_dead_letters()} messages are due again")
