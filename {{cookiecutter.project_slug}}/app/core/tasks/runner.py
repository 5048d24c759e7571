"""Background tasks: a request sends a message that names a task, and a worker runs the task.

Each task has a schema for its values, which validates them twice: when a message is created, and
when it is received. Celery carries the messages (`celery_app`). Without a broker, in development
and in tests, a task runs at once, in the request.
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

PAUSE_SECONDS = 2.0  # no message is sent for this long after the broker failed
REQUEST_ID = "request_id"
UNKNOWN = "_unknown"
"""Stands for every task that is not registered: a message may hold any name."""

ended = Signal("What has arrived was run: `task`, `outcome` (one of OUTCOMES) and `seconds`.")


class BrokerUnavailable(Unavailable):
    """The broker is unavailable or too slow."""

    code = "broker_unavailable"
    detail = "The task could not be queued. Try again shortly."


class RetryLater(Exception):  # noqa: N818  not an error
    """Raised by a task to run again after this many seconds; it does not count as a failure."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class PermanentFailure(Exception):  # noqa: N818  the name says so
    """Raised by a task when no retry can help: the message becomes a dead letter."""


@dataclass(frozen=True, slots=True)
class Task:
    """A function that workers run. It must be idempotent: a message may be delivered twice."""

    name: str
    schema: ma.Schema
    run: Callable[[Any], None]
    """Called with the values that the schema has loaded."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request to run a task."""

    task: str
    values: Mapping[str, Any]
    """JSON values."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The ID of the request that created the message, and headers from observers."""
    id: str = field(default_factory=lambda: str(uuid4()))
    attempt: int = 1


class Outcome(Enum):
    """What happens to a message after a run."""

    DONE = "done"
    AGAIN = "again"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """The outcome of a run, and the delay in seconds if the message is to run again."""

    outcome: Outcome
    seconds: float = 0.0
    counts: bool = True
    """Whether the run counts as an attempt; one that raised `RetryLater` does not."""

    @property
    def word(self) -> str:
        """The name of the outcome, one of OUTCOMES."""
        if self.outcome is Outcome.AGAIN:
            return "failed" if self.counts else "later"
        return str(self.outcome.value)


OUTCOMES = ("done", "later", "failed", "dead")
"""The outcomes of a run: `later` was postponed without a failure, `failed` is retried."""
DONE = TaskOutcome(Outcome.DONE)
DEAD = TaskOutcome(Outcome.DEAD)


class Observer(Protocol):
    """Follows a message from its creation to its run."""

    def headers(self) -> Mapping[str, str]:
        """Return headers for a message that is created now."""

    def publishing(self, message: Message) -> AbstractContextManager[Mapping[str, str]]:
        """Wrap the publishing of a message; yield headers to set on it."""

    def running(self, message: Message, info: RequestInfo) -> AbstractContextManager[object]:
        """Wrap a run; its error, if any, is then in `info.error`."""


class MessageStore(Protocol):
    """Stores messages until they are done. Without a store, only the broker holds them."""

    def begin(self, message_id: str) -> int | None:
        """Count an attempt and return its number; None when the message is done already."""

    def end(self, message_id: str, verdict: TaskOutcome) -> None:
        """Record the outcome of a run: delete the message, make it due again or mark it dead."""


class Publisher:
    """Sends messages to the broker from its own thread, and waits for at most `seconds`."""

    def __init__(self, send: Callable[[Message], None], seconds: float) -> None:
        self._send = send
        self._seconds = seconds
        # One connection, so one thread; it starts with the first message, after all forks.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._retry_at = 0.0

    def __call__(self, message: Message) -> None:
        """Send a message; the broker has accepted it when this returns.

        Raises:
            BrokerUnavailable: when the broker does not accept it in time.

        """
        if time.monotonic() >= self._retry_at:
            sending = self._thread.submit(self._send, message)
            try:
                return sending.result(self._seconds)
            except Exception as error:  # noqa: BLE001  each transport raises its own errors
                sending.cancel()
                self._retry_at = time.monotonic() + PAUSE_SECONDS
                words = {
                    telemetry.ERROR_TYPE: type(error).__name__,
                    telemetry.RETRY_SECONDS: PAUSE_SECONDS,
                }
                logger.warning("broker unavailable", extra=words)
        raise BrokerUnavailable(headers={"Retry-After": str(round(PAUSE_SECONDS))})


class Tasks:
    """The tasks of one application, and the delivery of their messages."""

    def __init__(self, app: Flask, settings: TaskSettings) -> None:
        self.settings = settings
        self.observers: list[Observer] = []
        self.at_exit: list[Callable[[], None]] = []
        """Called at the end of each worker process."""
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
        """The name of the queue for this application's messages."""
        return f"{self.settings.service_name}.tasks"

    @property
    def system(self) -> str:
        """The broker's name in OpenTelemetry's conventions; `in_process` without a broker."""
        url = self.settings.broker_url.get_secret_value() if self.settings.broker_url else ""
        kinds = {"amqp": "rabbitmq", "redis": "redis"}
        return next((kinds[kind] for kind in kinds if url.startswith(kind)), "in_process")

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all tasks."""
        return iter(self._tasks)

    def add(self, task: Task) -> None:
        """Register a task."""
        self._tasks[task.name] = task
        # {% if cookiecutter.metrics %}
        for act in self.on_added:
            act(task.name)
        # {% endif %}

    def message(self, task: Task, values: Mapping[str, Any]) -> Message:
        """Create a message.

        Raises:
            ValidationError: marshmallow's own, when the values do not match the task's schema.

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
        """Send a message to the broker; without a broker, run it now.

        Raises:
            BrokerUnavailable: when the broker does not accept it in time.

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
        """Run a received message, and return what the broker should do with it."""
        with self._app.app_context(), _carried(message) as info, ExitStack() as around:
            for observer in self.observers:
                around.enter_context(observer.running(message, info))
            try:
                if self.ledger is not None:
                    return self._run_stored(self.ledger, message, info)
                verdict = self._run(message, info)
            except Exception as error:  # noqa: BLE001  a database may raise anything
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
            # The sender is another service, or another version of this one.
            verdict = self._run(message, info)
        elif (attempt := ledger.begin(message.id)) is None:
            logger.info("task already done")
            return DONE
        else:
            verdict = self._run(replace(message, attempt=attempt), info)
        ledger.end(message.id, verdict)
        self._tell(message, info, verdict)
        # The message store sends it again, so the broker need not.
        return DONE if verdict.outcome is Outcome.AGAIN else verdict

    def _tell(self, message: Message, info: RequestInfo, verdict: TaskOutcome) -> None:
        """Send the `ended` signal with the outcome of a run, which may differ from the broker's."""
        ended.send(
            self._app,
            task=message.task if message.task in self._tasks else UNKNOWN,
            outcome=verdict.word,
            seconds=_seconds_since(info),
        )

    def refused(self) -> None:
        """Send the `ended` signal for a message that was rejected before it reached a task."""
        ended.send(self._app, task=UNKNOWN, outcome=DEAD.word, seconds=0.0)

    def _read(self, message: Message) -> Callable[[], None] | None:
        """Return the call that a message asks for; None if it is unknown or malformed."""
        try:
            UUID(message.id)
            task = self._tasks[message.task]
            return partial(task.run, task.schema.load(message.values))
        except (KeyError, ValueError, ma.ValidationError):
            return None

    def _run(self, message: Message, info: RequestInfo) -> TaskOutcome:
        if message.attempt > self.settings.task_max_attempts:
            # The worker of the last attempt died before it could report an outcome.
            logger.error("task dead-lettered", extra={telemetry.ATTEMPT: message.attempt - 1})
            return DEAD
        run = self._read(message)
        try:
            if run is None:
                raise PermanentFailure  # noqa: TRY301  handled below, like one from a task
            run()
        except RetryLater as later:
            logger.info("task postponed", extra={telemetry.RETRY_SECONDS: round(later.seconds)})
            return TaskOutcome(Outcome.AGAIN, later.seconds, counts=False)
        except PermanentFailure as problem:
            info.error = problem
            # The values may come from any sender, so they are not logged.
            logger.error("task rejected")  # noqa: TRY400
            return DEAD
        except Exception as error:
            info.error = error
            words = {telemetry.ATTEMPT: message.attempt}
            if message.attempt >= self.settings.task_max_attempts:
                logger.exception("task dead-lettered", extra=words)
                return DEAD
            seconds = backoff(message.attempt, self.settings.task_max_backoff_seconds)
            words[telemetry.RETRY_SECONDS] = round(seconds)
            logger.warning("task retried", exc_info=True, extra=words)
            return TaskOutcome(Outcome.AGAIN, seconds)
        logger.info("task done", extra={telemetry.DURATION: round(_seconds_since(info), 6)})
        return DONE


def backoff(attempt: int, most: float) -> float:
    """Return the seconds to wait after a failed attempt: exponential up to `most`, with jitter.

    The jitter spreads the retries of messages that failed together.
    """
    longest = min(most, 2.0 ** min(attempt, 16))
    return random.uniform(longest / 2, longest)  # nosec B311 # noqa: S311  not a secret


def _seconds_since(info: RequestInfo) -> float:
    return (time.perf_counter_ns() - info.started_clock) / 1e9


@contextmanager
def _carried(message: Message) -> Iterator[RequestInfo]:
    """Add the message, and the request that created it, to every log line of a run."""
    info = RequestInfo({}, message.headers.get(REQUEST_ID, message.id), "_OTHER")
    info.log_fields |= {
        telemetry.REQUEST_ID: info.request_id,
        telemetry.TASK_NAME: message.task,
        telemetry.MESSAGING_MESSAGE_ID: message.id,
    }
    before = pipeline.replace(info)
    try:
        yield info
    finally:
        pipeline.replace(before)


def of(app: Flask) -> Tasks:
    """Return the tasks of an application."""
    return cast("Tasks", app.extensions["tasks"])


def of_app() -> Tasks:
    """Return the tasks of the current application."""
    return of(current_app)


def init_app(app: Flask, settings: TaskSettings) -> Tasks:
    """Give the application its tasks, and return them."""
    app.extensions["tasks"] = tasks = Tasks(app, settings)
    return tasks
