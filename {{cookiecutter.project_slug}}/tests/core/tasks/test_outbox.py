import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import marshmallow as ma
import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from app.core.database import reading, writing
from app.core.schemas import Schema
from app.core.tasks import BrokerUnavailable, Message, RetryLater, Task, runner, tasks
from app.core.tasks.outbox import OutboxMessage, outbox
from app.core.tasks.schedule import Job, ScheduledRun, claim, periodic_jobs
from conftest import LogLines
from tests.waiting import HANG_TIMEOUT_SECONDS


class NoteSchema(Schema):
    text = ma.fields.String(required=True)


ran: list[object] = []


def act(values: dict[str, str]) -> None:
    ran.append(values["text"])
    if values["text"] == "later":
        raise RetryLater(3_600)
    if values["text"] == "broken":
        raise RuntimeError


NOTE = Task("note", NoteSchema(), act)


class Broker:
    """A broker that accepts messages, or is unavailable."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.away = False

    def __call__(self, message: Message) -> None:
        if self.away:
            raise BrokerUnavailable
        self.published.append(message)


@pytest.fixture
def broker(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    own = tasks.of(app)
    own.add(NOTE)
    broker = Broker()
    monkeypatch.setattr(own, "publisher", broker)
    ran.clear()
    with app.app_context():
        yield broker


def write(text: str) -> None:
    with writing() as session:
        outbox.current.add(session, NOTE, {"text": text})


def rows() -> list[Any]:
    with reading() as connection:
        return list(connection.execute(select(OutboxMessage)).all())


def make_due() -> None:
    with writing() as session:
        session.execute(update(OutboxMessage).values(due_at=datetime.now(UTC)))


def test_a_message_is_sent_once_its_transaction_is_committed_and_kept_until_it_is_done(
    broker: Broker,
) -> None:
    with writing() as session:
        outbox.current.add(session, NOTE, {"text": "x"})
        session.flush()
        assert broker.published == []
    (message,) = broker.published
    (row,) = rows()
    assert str(row.id) == message.id
    assert row.due_at > datetime.now(UTC)

    assert tasks.current.process(message) == runner.DONE

    assert (ran, rows()) == (["x"], [])


def test_a_rolled_back_message_is_never_sent(broker: Broker) -> None:
    def add_and_roll_back() -> None:
        with writing() as session:
            outbox.current.add(session, NOTE, {"text": "x"})
            raise KeyError

    with pytest.raises(KeyError):
        add_and_roll_back()

    assert (broker.published, rows()) == ([], [])


def test_a_message_that_comes_twice_is_done_once(broker: Broker) -> None:
    write("x")

    for _ in range(2):
        assert tasks.current.process(broker.published[0]) == runner.DONE

    assert ran == ["x"]


def test_messages_are_sent_when_the_broker_is_available_again(broker: Broker) -> None:
    broker.away = True
    write("x")
    assert outbox.current.relay() == 0

    broker.away = False
    assert outbox.current.relay() == 1

    (message,) = broker.published
    assert message.values == {"text": "x"}
    assert outbox.current.relay() == 0


def test_of_two_relays_one_sends_a_message(broker: Broker) -> None:
    broker.away = True
    write("x")
    broker.away = False
    (row,) = rows()

    claim = outbox.current._claim  # noqa: SLF001  between its steps nothing else can be tested
    assert [claim(row.id, row.due_at), claim(row.id, row.due_at)] == [True, False]


def test_a_relay_leaves_what_another_one_has_claimed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("x")
    make_due()
    monkeypatch.setattr(outbox.current, "_claim", lambda *_: False)

    assert outbox.current.relay() == 0
    assert len(broker.published) == 1


def test_a_postponed_message_is_sent_again_when_it_is_due(broker: Broker) -> None:
    write("later")

    assert tasks.current.process(broker.published[0]) == runner.DONE

    (row,) = rows()
    assert row.attempts == 0
    assert 3_600 - HANG_TIMEOUT_SECONDS < (row.due_at - datetime.now(UTC)).total_seconds() < 3_601
    make_due()
    assert outbox.current.relay() == 1
    assert broker.published[1].id == broker.published[0].id


def test_copies_of_a_message_that_are_put_off_do_not_use_up_its_attempts(broker: Broker) -> None:
    write("later")

    for _ in range(tasks.current.settings.task_max_attempts + 1):
        assert tasks.current.process(broker.published[0]) == runner.DONE

    (row,) = rows()
    assert (row.attempts, row.died_at) == (0, None)


def test_a_dead_letter_is_kept_and_can_be_tried_again(app: Flask, broker: Broker) -> None:
    write("broken")
    with writing() as session:
        session.execute(
            update(OutboxMessage).values(attempts=tasks.current.settings.task_max_attempts - 1)
        )

    assert tasks.current.process(broker.published[0]) == runner.DEAD
    assert tasks.current.process(broker.published[0]) == runner.DONE
    assert outbox.current.relay() == 0
    assert ran == ["broken"]

    commands = app.test_cli_runner()
    assert "1 messages are due again" in commands.invoke(args=["outbox", "retry"]).output
    assert "1 messages sent" in commands.invoke(args=["outbox", "relay"]).output
    assert len(broker.published) == 2


@pytest.mark.usefixtures("broker")
def test_a_message_that_is_not_in_the_outbox_changes_nothing() -> None:
    write("x")

    for message in (
        Message("note", {}, id="1"),
        Message("note", {}),
        Message("note", {"text": "y"}),
    ):
        tasks.current.process(message)

    assert (ran, len(rows())) == ([], 1)


def test_old_dead_letters_are_deleted(app: Flask, broker: Broker) -> None:
    for days in (13, 15):
        write("x")
        died_at = datetime.now(UTC) - timedelta(days=days)
        fresh = update(OutboxMessage).where(OutboxMessage.died_at.is_(None))
        with writing() as session:
            session.execute(fresh.values(died_at=died_at, due_at=None))

    (job,) = [job for job in periodic_jobs.of(app) if job.name == "outbox.delete_dead"]
    assert job.claim_and_run()
    assert len(rows()) == len(broker.published) - 1


def test_a_database_that_fails_after_the_commit_changes_no_response(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    broker.away = True

    def fail(*_: object) -> None:
        raise OperationalError("", {}, Exception())

    with writing() as session:
        outbox.current.add(session, NOTE, {"text": "x"})
        session.flush()
        monkeypatch.setattr("app.core.tasks.outbox.writing", fail)

    assert log_lines[-1]["message"] == "outbox update failed"
    assert len(rows()) == 1


def test_each_scheduled_run_happens_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    job = Job(app, "count", 10, lambda: done.append(1))

    moments: list[tuple[float, bool]] = [
        (1_000, True),
        (1_009, False),
        (1_010, True),
        (4_600, True),  # a clock an hour ahead
        (1_010, True),
    ]
    for moment, takes_effect in moments:
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        assert job.claim_and_run() is takes_effect, moment

    assert len(done) == 4


def test_of_two_workers_that_start_the_first_scheduled_run_at_once_one_runs_it(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Callable[[], object]] = [writing, writing]

    def writing_after_another_run() -> object:
        made = calls.pop()()
        if not calls:
            with writing() as session:
                session.add(ScheduledRun(job="count", number=7))
        return made

    with app.app_context():
        monkeypatch.setattr("app.core.tasks.schedule.writing", writing_after_another_run)
        assert claim("count", 7) is False


def test_workers_relay_the_outbox(app: Flask) -> None:
    jobs = {job.name: job.seconds for job in periodic_jobs.of(app)}

    assert jobs["outbox.relay"] == 2
    assert jobs["outbox.delete_dead"] == 3_600
