import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import marshmallow as ma
import pytest
from flask import Flask
from pydantic import ValidationError

from app.core import pipeline
from app.core.schemas import Schema
from app.core.tasks import BrokerUnavailable, Message, PermanentFailure, RetryLater, Task, runner
from app.core.tasks.runner import DEAD, DONE, Publisher, TaskOutcome, Tasks, backoff
from app.settings import Settings
from conftest import LogLines
from tests.waiting import HANG_TIMEOUT_SECONDS

SECRET = "a private text"


class NoteSchema(Schema):
    text = ma.fields.String(required=True)


def own(app: Flask, run: Callable[[object], None] = lambda _: None, attempts: int = 3) -> Tasks:
    """Return an empty registry of tasks."""
    made = Tasks(
        app, Settings.model_validate({"app_env": "testing", "task_max_attempts": attempts})
    )
    made.add(Task("note", NoteSchema(), run))
    return made


def note(**values: object) -> Message:
    return Message("note", {"text": SECRET, **values})


def raising(error: Exception) -> Callable[[object], None]:
    def run(_: object) -> None:
        raise error

    return run


class MemoryStore:
    """A message store in memory."""

    def __init__(self, *attempts: int | None) -> None:
        self.attempts = list(attempts)
        self.outcomes: list[TaskOutcome] = []

    def start_attempt(self, _: str) -> int | None:
        return self.attempts.pop(0)

    def record_outcome(self, _: str, outcome: TaskOutcome) -> None:
        self.outcomes.append(outcome)


def test_a_broker_is_named_by_its_url_and_never_printed(production: dict[str, str]) -> None:
    for url in (
        "broker.example",
        "http://broker.example",
        "amqp://",
        "redis://broker.example:0",
        "redis://broker.example:port",
        "amqp://[canary",
        "memory://",
    ):
        with pytest.raises(ValidationError, match=r"must be amqp://user:password@host:5672"):
            Settings.model_validate({**production, "broker_url": url})
    del production["broker_url"]
    with pytest.raises(ValidationError, match="is required in production"):
        Settings.model_validate(production)
    named = Settings.model_validate({**production, "broker_url": "amqps://me:pass-word@b.example"})
    assert "pass-word" not in str(named.broker_url)


def test_a_message_that_does_not_fit_its_task_is_never_made(app: Flask) -> None:
    made = own(app)
    (task,) = [Task("note", NoteSchema(), print)]

    with pytest.raises(ma.ValidationError):
        made.create_message(task, {})

    assert made.create_message(task, {"text": "x"}).values == {"text": "x"}
    assert list(made) == ["note"]


def test_without_a_broker_a_task_runs_at_once_and_logs_one_line(
    app: Flask, log_lines: LogLines
) -> None:
    ran: list[object] = []
    message = note()

    own(app, ran.append).publish(message)

    assert ran == [{"text": SECRET}]
    (line,) = log_lines
    assert (line["message"], line["task.name"], line["messaging.message.id"]) == (
        "task done",
        "note",
        message.id,
    )
    assert line["duration"] > 0
    assert pipeline.current_or_none() is None


def test_log_lines_of_a_run_carry_the_request_it_comes_from(
    app: Flask, log_lines: LogLines
) -> None:
    made = own(app)

    with app.test_request_context():
        before = pipeline.replace(pipeline.RequestInfo({}, "the-request", "GET"))
        message = made.create_message(Task("note", NoteSchema(), print), {"text": "x"})
        pipeline.replace(before)
    made.process(message)

    assert message.headers["request_id"] == "the-request"
    assert log_lines[-1]["request_id"] == "the-request"


def test_a_payload_that_no_task_accepts_is_dead_and_is_not_logged(
    app: Flask, log_lines: LogLines
) -> None:
    for message in (
        note(more="x"),
        Message("unknown", {}),
        Message("note", {"text": 1}),
        Message("note", {"text": SECRET}, id="x"),
    ):
        made = own(app)
        assert made.process(message) == DEAD
        made.message_store = store = MemoryStore()
        assert made.process(message) == DEAD
        assert store.outcomes == [DEAD]

    assert own(app, raising(PermanentFailure())).process(note()) == DEAD
    assert {line["message"] for line in log_lines} == {"task failed permanently"}
    assert SECRET not in str(log_lines)


def test_a_failure_is_tried_again_until_it_has_been_tried_often_enough(
    app: Flask, log_lines: LogLines
) -> None:
    made = own(app, raising(OSError()))

    first = made.process(note())
    last = made.process(Message("note", {"text": "x"}, attempt=3))

    assert first.name == "failed"
    assert 1 <= (first.retry_seconds or 0) <= 2
    assert last == DEAD
    assert [line["message"] for line in log_lines] == [
        "task failed",
        "task dead-lettered",
    ]
    assert "OSError" in log_lines[0]["exception.stacktrace"]


class Follower:
    """Records the messages that it observes."""

    def __init__(self) -> None:
        self.saw: list[str] = []

    def headers(self) -> dict[str, str]:
        return {"trail": "made"}

    @contextmanager
    def publishing(self, message: Message) -> Iterator[dict[str, str]]:
        self.saw.append(message.headers["trail"])
        yield {"trail": "sent"}

    @contextmanager
    def running(self, message: Message, info: pipeline.RequestInfo) -> Iterator[None]:
        self.saw.append(message.headers["trail"])
        yield
        self.saw.append(type(info.error).__name__)


def test_observers_follow_a_message_from_where_it_is_made_to_its_end(app: Flask) -> None:
    made = own(app, raising(OSError()))
    made.observers.append(follower := Follower())
    published: list[Message] = []
    made.publisher = Publisher(published.append, 5)

    made.publish(made.create_message(Task("note", NoteSchema(), print), {"text": "x"}))
    made.process(published[0])

    assert follower.saw == ["made", "sent", "OSError"]


def test_waits_grow_and_differ() -> None:
    longest = 300
    assert all(2 ** (n - 1) <= backoff(n, longest) <= 2**n for n in range(1, 9))
    assert longest / 2 <= backoff(100, longest) <= longest
    assert len({backoff(8, longest) for _ in range(10)}) > 1


def test_no_wait_is_longer_than_the_setting(app: Flask) -> None:
    values = {"app_env": "testing", "task_max_backoff_seconds": 3}
    made = Tasks(app, Settings.model_validate(values))
    made.add(Task("note", NoteSchema(), raising(OSError())))

    outcome = made.process(replace(note(), attempt=9))

    assert outcome.name == "failed"
    assert 1.5 <= (outcome.retry_seconds or 0) <= 3


def test_a_task_can_postpone_itself(app: Flask) -> None:
    outcome = own(app, raising(RetryLater(7))).process(note())

    assert outcome == TaskOutcome("postponed", 7)


def test_with_a_message_store_the_broker_need_not_bring_a_message_again(app: Flask) -> None:
    made = own(app, raising(RetryLater(7)))
    made.message_store = store = MemoryStore(1)

    assert made.process(note()) == DONE
    assert store.outcomes == [TaskOutcome("postponed", 7)]


def test_with_a_message_store_what_is_done_is_not_run_again(app: Flask) -> None:
    ran: list[object] = []
    made = own(app, ran.append)
    made.message_store = store = MemoryStore(1, None)

    assert [made.process(note()), made.process(note())] == [DONE, DONE]
    assert len(ran) == 1
    assert store.outcomes == [DONE]


@contextmanager
def recording(app: Flask) -> Iterator[list[tuple[str, str]]]:
    """Record the task and outcome of each `run_finished` signal."""
    runs: list[tuple[str, str]] = []

    def record(_: Flask, *, task: str, outcome: str, seconds: float) -> None:
        assert 0 < seconds < 60
        runs.append((task, outcome))

    with runner.run_finished.connected_to(record, app):
        yield runs


RUNS: list[tuple[Exception | None, str]] = [
    (None, "done"),
    (RetryLater(7), "postponed"),
    (OSError(), "failed"),
    (PermanentFailure(), "dead"),
]


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(("error", "outcome"), RUNS, ids=[outcome for _, outcome in RUNS])
def test_each_run_is_signalled_with_its_outcome(
    app: Flask, error: Exception | None, outcome: str, *, stored: bool
) -> None:
    made = own(app, raising(error) if error else lambda _: None)
    made.message_store = MemoryStore(1) if stored else None

    with recording(app) as runs:
        made.process(note())

    assert runs == [("note", outcome)]
    assert outcome in runner.OUTCOMES


def test_a_message_that_is_not_run_is_signalled_with_its_outcome(app: Flask) -> None:
    made = own(app)
    with recording(app) as runs:
        made.process(Message("an invented task", {}))
        made.message_store = MemoryStore(4, None)
        made.process(note())  # its workers died
        made.process(note())  # done already
        made.process(note())  # the message store is unavailable

    assert runs == [(runner.UNKNOWN, "dead"), ("note", "dead"), ("note", "failed")]


def test_a_run_that_cannot_be_recorded_is_signalled_once(app: Flask) -> None:
    class Lost(MemoryStore):
        def record_outcome(self, _: str, outcome: TaskOutcome) -> None:
            raise ConnectionError(outcome)

    made = own(app)
    made.message_store = Lost(1)

    with recording(app) as runs:
        made.process(note())

    assert runs == [("note", "failed")]


def test_a_message_that_kills_its_workers_is_given_up(app: Flask, log_lines: LogLines) -> None:
    ran: list[object] = []
    made = own(app, ran.append)
    made.message_store = store = MemoryStore(4)

    assert made.process(note()) == DEAD
    assert (ran, store.outcomes) == ([], [DEAD])
    assert (log_lines[-1]["message"], log_lines[-1]["attempt"]) == ("task dead-lettered", 3)


def test_a_message_that_kills_its_workers_is_given_up_without_a_message_store_too(
    app: Flask, log_lines: LogLines
) -> None:
    ran: list[object] = []

    assert own(app, ran.append).process(replace(note(), attempt=4)) == DEAD
    assert ran == []
    assert (log_lines[-1]["message"], log_lines[-1]["attempt"]) == ("task dead-lettered", 3)


def test_while_the_message_store_is_unavailable_the_broker_keeps_the_message(
    app: Flask, log_lines: LogLines
) -> None:
    made = own(app)
    made.message_store = MemoryStore()

    assert made.process(note()).name == "failed"
    assert log_lines[-1]["message"] == "message store unavailable"


def test_a_broker_that_hangs_delays_no_request_and_is_not_used_for_a_while(
    monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    tried: list[Message] = []
    released = threading.Event()

    def hang(message: Message) -> None:
        tried.append(message)
        released.wait(HANG_TIMEOUT_SECONDS)

    publish = Publisher(hang, 0.02)
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(BrokerUnavailable) as refused:
            publish(note())
        assert refused.value.headers == {"Retry-After": "2"}
    assert time.monotonic() - started < HANG_TIMEOUT_SECONDS
    released.set()
    assert len(tried) == 1
    assert [line["error.type"] for line in log_lines] == ["TimeoutError"]

    later = time.monotonic() + runner.PAUSE_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    publish(note())
    assert len(tried) == 2


def test_the_queue_and_its_broker_have_names(app: Flask, production: dict[str, str]) -> None:
    for url, system in (
        ("amqps://broker.example", "rabbitmq"),
        ("redis://broker.example", "redis"),
        ("rediss://broker.example", "redis"),
    ):
        named = Settings.model_validate({**production, "broker_url": url, "service_name": "shop"})
        assert (Tasks(app, named).queue_name, Tasks(app, named).system) == ("shop.tasks", system)
    assert own(app).system == "in_process"
