"""Background tasks: what a request leaves to a worker, by a message that names it.

A task declares what it is told by a schema, and is held to it twice: where a message is made, and
where it is read. Celery carries the messages (`celery_app`); without a broker, in development and
in tests, a task runs at once where it is asked for.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Any, Protocol, cast
from uuid import UUID, uuid4

import marshmallow as ma
from blinker import Signal
from flask import Flask, current_app

from app.core import pipeline, telemetry
from app.core.errors import Unavailable
from app.core.pipeline import RequestInfo
from app.core.tasks.settings import TaskSettings

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0  # how long a broker is left alone after it failed
REQUEST_ID = "request_id"
TASK_NAME = "task.name"
"""The attribute with the name of a task; OpenTelemetry has none."""
MESSAGE_ID = "messaging.message.id"
"""The attribute with the id of a message, by OpenTelemetry's semantic conventions."""
UNKNOWN = "_unknown"
"""Stands for every task that nobody added: names in messages may be made up."""

ended = Signal("What has arrived was run: `task`, `outcome` (one of OUTCOMES) and `seconds`.")


class BrokerUnavailable(Unavailable):
    """The broker is away or takes too long."""

    code = "broker_unavailable"
    detail = "What has to be done later cannot be noted now; try again soon."


class RetryLater(Exception):  # noqa: N818  it is no error
    """Not now: a task raises it to be run again, and that counts as no failure."""

    def __init__(self, seconds: float) -> None:
        """Take how long to wait."""
        super().__init__()
        self.seconds = seconds


class PermanentFailure(Exception):  # noqa: N818  the message is one
    """No further try would help: the message becomes a dead letter."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something to be done by a worker. It may be run twice, so twice must be as good as once."""

    name: str
    schema: ma.Schema
    run: Callable[[Any], None]
    """Takes what the schema loads."""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to be done."""

    task: str
    values: Mapping[str, Any]
    """As JSON has them."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Which request it comes from."""
    id: str = field(default_factory=lambda: str(uuid4()))
    attempt: int = 1


class Outcome(Enum):
    """What is to become of a message."""

    DONE = "done"
    AGAIN = "again"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What is to become of a message, and in how many seconds if it is run again."""

    outcome: Outcome
    seconds: float = 0.0
    counts: bool = True
    """Whether this run was an attempt; one that was only put off is none."""

    @property
    def word(self) -> str:
        """One of OUTCOMES."""
        if self.outcome is Outcome.AGAIN:
            return "failed" if self.counts else "later"
        return str(self.outcome.value)


OUTCOMES = ("done", "later", "failed", "dead")
"""What a run may come to: `later` was put off and is no failure, `failed` is tried again."""
DONE = TaskOutcome(Outcome.DONE)
DEAD = TaskOutcome(Outcome.DEAD)


class Observer(Protocol):
    """Something that follows a message from where it is made to where it is run."""

    def headers(self) -> Mapping[str, str]:
        """Return what a message that is made here takes along."""

    def publishing(self, message: Message) -> AbstractContextManager[Mapping[str, str]]:
        """Surround the sending; return what the message takes along instead."""

    def running(self, message: Message, info: RequestInfo) -> AbstractContextManager[object]:
        """Surround a run; what went wrong is then in the info."""


class MessageStore(Protocol):
    """Keeps messages until they are done; whoever has none depends on the broker alone."""

    def begin(self, message_id: str) -> int | None:
        """Count an attempt; return how many there were, or None when it is done already."""

    def end(self, message_id: str, verdict: TaskOutcome) -> None:
        """Forget a message, or remember when to run it again."""


class Publisher:
    """Hands messages to the broker by a thread of its own, and waits for it within a limit."""

    def __init__(self, send: Callable[[Message], None], seconds: float) -> None:
        """Take who sends; nothing is connected yet."""
        self._send = send
        self._seconds = seconds
        # One connection, so one thread; it starts with the first message, after all forks.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._retry_at = 0.0

    def __call__(self, message: Message) -> None:
        """Send a message; the broker has it when this returns.

        Raises:
            BrokerUnavailable: when that is not certain in time.

        """
        if time.monotonic() >= self._retry_at:
            sending = self._thread.submit(self._send, message)
            try:
                return sending.result(self._seconds)
            except Exception as error:  # noqa: BLE001  each transport has its own
                sending.cancel()
                self._retry_at = time.monotonic() + PAUSE_SECONDS
                words = {telemetry.ERROR_TYPE: type(error).__name__, "retry_seconds": PAUSE_SECONDS}
                logger.warning("broker unavailable", extra=words)
        raise BrokerUnavailable(headers={"Retry-After": str(round(PAUSE_SECONDS))})


class Tasks:
    """The tasks of one application, and the way of their messages."""

    def __init__(self, app: Flask, settings: TaskSettings) -> None:
        """Begin without any."""
        self.settings = settings
        self.observers: list[Observer] = []
        self.at_exit: list[Callable[[], None]] = []
        """What a worker's process does at its end."""
        self.ledger: MessageStore | None = None
        self.publisher: Publisher | None = None
        # {% if cookiecutter.metrics %}
        self.on_added: list[Callable[[str], None]] = []
        """Called with the name of each task that is added."""
        # {% endif %}
        self._app = app
        self._tasks: dict[str, Task] = {}

    @property
    def queue(self) -> str:
        """What the broker calls the queue of this application's messages."""
        return f"{self.settings.service_name}.tasks"

    @property
    def system(self) -> str:
        """What kind of broker there is, by OpenTelemetry's names; the process itself, if there is none."""
        url = self.settings.broker_url.get_secret_value() if self.settings.broker_url else ""
        kinds = {"amqp": "rabbitmq", "redis": "redis"}
        return next((kinds[kind] for kind in kinds if url.startswith(kind)), "in_process")

    def __iter__(self) -> Iterator[str]:
        """Name all tasks."""
        return iter(self._tasks)

    def add(self, task: Task) -> None:
        """Let a task be run."""
        self._tasks[task.name] = task
        # {% if cookiecutter.metrics %}
        for act in self.on_added:
            act(task.name)
        # {% endif %}

    def message(self, task: Task, values: Mapping[str, Any]) -> Message:
        """Make a message; whatever does not fit the task's schema stops here.

        Raises:
            ValidationError: marshmallow's own.

        """
        wire = task.schema.dump(values)
        task.schema.load(wire)
        headers: dict[str, str] = {}
        if info := pipeline.current_or_none():
            headers[REQUEST_ID] = info.request_id
        for observer in self.observers:
            headers |= observer.headers()
        return Message(task.name, wire, headers)

    def publish(self, message: Message) -> None:
        """Hand a message to the broker; without one, run it now.

        Raises:
            BrokerUnavailable: when the broker does not take it in time.

        """
        if self.publisher is None:
            self.deliver(message)
            return
        with ExitStack() as around:
            for observer in self.observers:
                headers = around.enter_context(observer.publishing(message))
                message = replace(message, headers={**message.headers, **headers})
            self.publisher(message)

    def deliver(self, message: Message) -> TaskOutcome:
        """Run a message that has arrived, and return what the broker is to do with it."""
        with self._app.app_context(), _carried(message) as info, ExitStack() as around:
            for observer in self.observers:
                around.enter_context(observer.running(message, info))
            try:
                if self.ledger is not None:
                    return self._run_stored(self.ledger, message, info)
                verdict = self._run(message, info)
            except Exception as error:  # noqa: BLE001  whatever a database may raise
                info.error = error
                words = {telemetry.ERROR_TYPE: type(error).__name__}
                logger.error("message store unavailable", extra=words)  # noqa: TRY400
                verdict = TaskOutcome(
                    Outcome.AGAIN, backoff(1, self.settings.task_max_backoff_seconds)
                )
            self._tell(message, info, verdict)
            return verdict

    def _run_stored(self, ledger: MessageStore, message: Message, info: RequestInfo) -> TaskOutcome:
        if self._read(message) is None:
            # Whoever sent it was not this service, or was another version of it.
            verdict = self._run(message, info)
        elif (attempt := ledger.begin(message.id)) is None:
            logger.info("task already done")
            return DONE
        else:
            verdict = self._run(replace(message, attempt=attempt), info)
        ledger.end(message.id, verdict)
        self._tell(message, info, verdict)
        # The ledger brings it again, so the broker need not.
        return DONE if verdict.outcome is Outcome.AGAIN else verdict

    def _tell(self, message: Message, info: RequestInfo, verdict: TaskOutcome) -> None:
        """Say what a run came to, which a ledger may keep from the broker."""
        ended.send(
            self._app,
            task=message.task if message.task in self._tasks else UNKNOWN,
            outcome=verdict.word,
            seconds=_seconds_since(info),
        )

    def refused(self) -> None:
        """Say that something became a dead letter before any task of ours saw it."""
        ended.send(self._app, task=UNKNOWN, outcome=DEAD.word, seconds=0.0)

    def _read(self, message: Message) -> Callable[[], None] | None:
        """Return what a message asks for; None when that is unknown or malformed."""
        try:
            UUID(message.id)
            task = self._tasks[message.task]
            return partial(task.run, task.schema.load(message.values))
        except (KeyError, ValueError, ma.ValidationError):
            return None

    def _run(self, message: Message, info: RequestInfo) -> TaskOutcome:
        if message.attempt > self.settings.task_max_attempts:
            # Whoever began the last one did not live to tell.
            logger.error("task dead-lettered", extra={"attempt": message.attempt - 1})
            return DEAD
        run = self._read(message)
        try:
            if run is None:
                raise PermanentFailure  # noqa: TRY301  it is answered below, like a task's own
            run()
        except RetryLater as later:
            logger.info("task postponed", extra={"retry_seconds": round(later.seconds)})
            return TaskOutcome(Outcome.AGAIN, later.seconds, counts=False)
        except PermanentFailure as problem:
            info.error = problem
            # Its values may be anybody's, so they are not repeated.
            logger.error("task rejected")  # noqa: TRY400
            return DEAD
        except Exception as error:
            info.error = error
            words = {"attempt": message.attempt}
            if message.attempt >= self.settings.task_max_attempts:
                logger.exception("task dead-lettered", extra=words)
                return DEAD
            seconds = backoff(message.attempt, self.settings.task_max_backoff_seconds)
            words["retry_seconds"] = round(seconds)
            logger.warning("task retried", exc_info=True, extra=words)
            return TaskOutcome(Outcome.AGAIN, seconds)
        logger.info("task done", extra={telemetry.DURATION: round(_seconds_since(info), 6)})
        return DONE


def backoff(attempt: int, most: float) -> float:
    """Return how many seconds to wait after a failed attempt: twice as long each time, or less.

    The jitter keeps those that failed together from coming back together.
    """
    longest = min(most, 2.0 ** min(attempt, 16))
    return random.uniform(longest / 2, longest)  # nosec B311 # noqa: S311  nothing is secret about it


def _seconds_since(info: RequestInfo) -> float:
    return (time.perf_counter_ns() - info.started_clock) / 1e9


@contextmanager
def _carried(message: Message) -> Iterator[RequestInfo]:
    """Let every log line of a run name the message, and the request that it comes from."""
    info = RequestInfo({}, message.headers.get(REQUEST_ID, message.id), "_OTHER")
    info.log_fields |= {
        REQUEST_ID: info.request_id,
        TASK_NAME: message.task,
        MESSAGE_ID: message.id,
    }
    before = pipeline.replace(info)
    try:
        yield info
    finally:
        pipeline.replace(before)


def of(app: Flask) -> Tasks:
    """Return the tasks of this application."""
    return cast("Tasks", app.extensions["tasks"])


def of_app() -> Tasks:
    """Return the tasks of the current application."""
    return of(current_app)


def init_app(app: Flask, settings: TaskSettings) -> Tasks:
    """Give the application tasks of its own, and return them."""
    app.extensions["tasks"] = tasks = Tasks(app, settings)
    return tasks
