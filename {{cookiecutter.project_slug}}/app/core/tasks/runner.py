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
from functools import partial
from typing import Any, Protocol
from uuid import UUID, uuid4

import marshmallow as ma
from blinker import Signal
from flask import Flask

from app.core import pipeline, telemetry
from app.core.errors import Unavailable
from app.core.extension import Extension
from app.core.pipeline import RequestInfo
from app.core.tasks.settings import TaskSettings

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0  # no message is sent for this long after the broker failed
DEAD_LETTER_TTL_SECONDS = 14 * 86_400  # how long a dead letter is stored
REQUEST_ID = "request_id"
UNKNOWN = "_unknown"
"""Stands for every task that is not registered: a message may hold any name."""

run_finished = Signal(
    "Sent after each run, with `task`, `outcome` (one of OUTCOMES) and `seconds`."
)


class BrokerUnavailable(Unavailable):
    """The broker is unavailable or too slow."""

    code = "broker_unavailable"
    detail = "The task could not be queued. Try again shortly."


class RetryLater(Exception):  # noqa: N818  not an error
    """Raised by a task to run again after this many seconds; it does not count as a failure."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class PermanentFailure(Exception):  # noqa: N818  the name states it
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
    """The id of the request that created the message, and headers from observers."""
    id: str = field(default_factory=lambda: str(uuid4()))
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """The outcome of a run."""

    name: str
    """One of OUTCOMES."""
    retry_seconds: float | None = None
    """The delay before the message is run again; None if it is not."""

    @property
    def counts(self) -> bool:
        """Whether the run counts as an attempt; one that raised `RetryLater` does not."""
        return self.name != "postponed"


OUTCOMES = ("done", "postponed", "failed", "dead")
"""The outcomes of a run: `postponed` by `RetryLater`, `failed` and retried, or a `dead` letter."""
DONE = TaskOutcome("done")
DEAD = TaskOutcome("dead")


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

    def start_attempt(self, message_id: str) -> int | None:
        """Count an attempt and return its number; None when the message is done already."""

    def record_outcome(self, message_id: str, outcome: TaskOutcome) -> None:
        """Record the outcome of a run: delete the message, make it due again or mark it dead."""


class Publisher:
    """Sends messages to the broker from its own thread, with a timeout in seconds."""

    def __init__(self, send: Callable[[Message], None], timeout: float) -> None:
        self._send = send
        self._timeout = timeout
        # One connection, so one thread; it starts with the first message, after all forks.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._retry_at = 0.0

    def __call__(self, message: Message) -> None:
        """Send a message; the broker has accepted it when this returns.

        Raises:
            BrokerUnavailable: when the broker does not accept it in time.

        """
        if time.monotonic() >= self._retry_at:
            future = self._thread.submit(self._send, message)
            try:
                return future.result(self._timeout)
            except Exception as error:  # noqa: BLE001  each transport raises its own errors
                future.cancel()
                self._retry_at = time.monotonic() + PAUSE_SECONDS
                fields = {
                    telemetry.ERROR_TYPE: type(error).__name__,
                    telemetry.RETRY_SECONDS: PAUSE_SECONDS,
                }
                logger.warning("broker unavailable", extra=fields)
        raise BrokerUnavailable(headers={"Retry-After": str(round(PAUSE_SECONDS))})


class Tasks:
    """The tasks of one application, and the delivery of their messages."""

    def __init__(self, app: Flask, settings: TaskSettings) -> None:
        self.settings = settings
        self.observers: list[Observer] = []
        self.at_exit: list[Callable[[], None]] = []
        """Called at the end of each worker process."""
        self.message_store: MessageStore | None = None
        self.publisher: Publisher | None = None
        # {% if cookiecutter.metrics %}
        self.on_added: list[Callable[[str], None]] = []
        """Called with the name of each task that is added."""
        # {% endif %}
        self._app = app
        self._tasks: dict[str, Task] = {}

    @property
    def queue_name(self) -> str:
        """The name of the queue for this application's messages."""
        return f"{self.settings.service_name}.tasks"

    @property
    def system(self) -> str:
        """The broker's name in OpenTelemetry's conventions; `in_process` without a broker."""
        url = self.settings.broker_url.get_secret_value() if self.settings.broker_url else ""
        systems = {"amqp": "rabbitmq", "redis": "redis"}
        return next((systems[each] for each in systems if url.startswith(each)), "in_process")

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all tasks."""
        return iter(self._tasks)

    def add(self, task: Task) -> None:
        """Register a task."""
        self._tasks[task.name] = task
        # {% if cookiecutter.metrics %}
        for callback in self.on_added:
            callback(task.name)
        # {% endif %}

    def create_message(self, task: Task, values: Mapping[str, Any]) -> Message:
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
            self.process(message)
            return
        with ExitStack() as stack:
            for observer in self.observers:
                headers = stack.enter_context(observer.publishing(message))
                message = replace(message, headers={**message.headers, **headers})
            self.publisher(message)

    def process(self, message: Message) -> TaskOutcome:
        """Run a received message, and return what the broker should do with it."""
        with self._app.app_context(), _message_context(message) as info, ExitStack() as stack:
            for observer in self.observers:
                stack.enter_context(observer.running(message, info))
            try:
                if self.message_store is not None:
                    return self._run_stored(self.message_store, message, info)
                outcome = self._run(message, info)
            except Exception as error:  # noqa: BLE001  a database may raise anything
                info.error = error
                fields = {telemetry.ERROR_TYPE: type(error).__name__}
                logger.error("message store unavailable", extra=fields)  # noqa: TRY400
                outcome = TaskOutcome("failed", backoff(1, self.settings.task_max_backoff_seconds))
            self._send_run_finished(message, info, outcome)
            return outcome

    def _run_stored(self, store: MessageStore, message: Message, info: RequestInfo) -> TaskOutcome:
        if self._load(message) is None:
            # The sender is another service, or another version of this one.
            outcome = self._run(message, info)
        elif (attempt := store.start_attempt(message.id)) is None:
            logger.info("task already done")
            return DONE
        else:
            outcome = self._run(replace(message, attempt=attempt), info)
        store.record_outcome(message.id, outcome)
        self._send_run_finished(message, info, outcome)
        # The message store sends it again, so the broker need not.
        return outcome if outcome.retry_seconds is None else DONE

    def _send_run_finished(self, message: Message, info: RequestInfo, outcome: TaskOutcome) -> None:
        """Send the `run_finished` signal; the broker's outcome may be a different one."""
        run_finished.send(
            self._app,
            task=message.task if message.task in self._tasks else UNKNOWN,
            outcome=outcome.name,
            seconds=_seconds_since(info),
        )

    def report_rejected(self) -> None:
        """Send the `run_finished` signal for a message that was rejected before it reached a task."""
        run_finished.send(self._app, task=UNKNOWN, outcome=DEAD.name, seconds=0.0)

    def _load(self, message: Message) -> Callable[[], None] | None:
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
        run = self._load(message)
        try:
            if run is None:
                raise PermanentFailure  # noqa: TRY301  handled below, like one from a task
            run()
        except RetryLater as later:
            logger.info("task postponed", extra={telemetry.RETRY_SECONDS: round(later.seconds)})
            return TaskOutcome("postponed", later.seconds)
        except PermanentFailure as problem:
            info.error = problem
            # The values may come from any sender, so they are not logged.
            logger.error("task failed permanently")  # noqa: TRY400
            return DEAD
        except Exception as error:
            info.error = error
            fields = {telemetry.ATTEMPT: message.attempt}
            if message.attempt >= self.settings.task_max_attempts:
                logger.exception("task dead-lettered", extra=fields)
                return DEAD
            seconds = backoff(message.attempt, self.settings.task_max_backoff_seconds)
            fields[telemetry.RETRY_SECONDS] = round(seconds)
            logger.warning("task failed", exc_info=True, extra=fields)
            return TaskOutcome("failed", seconds)
        logger.info("task done", extra={telemetry.DURATION: round(_seconds_since(info), 6)})
        return DONE


def backoff(attempt: int, max_seconds: float) -> float:
    """Return the delay after a failed attempt: exponential up to `max_seconds`, with jitter.

    The jitter spreads the retries of messages that failed together.
    """
    limit = min(max_seconds, 2.0 ** min(attempt, 16))
    return random.uniform(limit / 2, limit)  # nosec B311 # noqa: S311  not a secret


def _seconds_since(info: RequestInfo) -> float:
    return (time.perf_counter_ns() - info.started_clock) / 1e9


@contextmanager
def _message_context(message: Message) -> Iterator[RequestInfo]:
    """Add the message, and the request that created it, to every log line of a run."""
    info = RequestInfo({}, message.headers.get(REQUEST_ID, message.id), "_OTHER")
    info.log_fields |= {
        telemetry.REQUEST_ID: info.request_id,
        telemetry.TASK_NAME: message.task,
        telemetry.MESSAGING_MESSAGE_ID: message.id,
    }
    previous = pipeline.replace(info)
    try:
        yield info
    finally:
        pipeline.replace(previous)


tasks = Extension[Tasks]("tasks")


def init_app(app: Flask, settings: TaskSettings) -> Tasks:
    """Give the application its tasks, and return them."""
    return tasks.set(app, Tasks(app, settings))
