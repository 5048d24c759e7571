"""The Celery application, which carries task messages over RabbitMQ or Redis.

Each Flask application has its own Celery application. Results are not stored, because no code waits
for them.
"""

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from celery import Celery, bootsteps, signals
from celery.app.amqp import AMQP
from celery.app.task import Task as CeleryTask
from celery.exceptions import Reject
from celery.worker import state
from celery.worker.consumer import Consumer
from flask import Flask
from kombu import Connection, Exchange, Queue
from kombu.message import Message as KombuMessage

from app.core import (  # one line where it fits
    # {% if cookiecutter.database == "none" %}
    checks,
    # {% endif %}
    config,
    telemetry,
)
from app.core.config import server_url
from app.core.config.server_url import ServerURL
from app.core.extension import Extension
from app.core.tasks import (  # one line where it fits
    runner,
    # {% if cookiecutter.database != "none" %}
    schedule,
    # {% endif %}
)
from app.core.tasks.runner import DEAD, DEAD_LETTER_TTL_SECONDS, Message, Publisher, Tasks
from app.core.tasks.settings import TaskSettings

logger = logging.getLogger(__name__)

NESTED_HEADERS = "app"  # the Celery header that holds the headers of a `Message`
DELIVERY_LIMIT = 20
# {% if cookiecutter.database == "none" %}
DELIVERY_COUNT = "x-delivery-count"  # RabbitMQ's count of unacknowledged deliveries
# {% endif %}
MAX_DEAD_LETTERS = 10_000  # the oldest are dropped first
REDACTED = "-"
NOISY_LOGGERS = ["celery.beat", "celery.worker.strategy", "celery.app.trace"]
"""Loggers whose lines repeat the log line of each run."""
MAX_RECONNECT_DELAY_SECONDS = 2
STALL_CHECK_SECONDS = 2


class _Connection(Connection):
    """Reconnects soon after the broker is available again, however long the outage was."""

    def ensure_connection(self, *args: object, **options: object) -> Connection:
        return super().ensure_connection(
            *args, **{**options, "interval_start": 1, "interval_max": MAX_RECONNECT_DELAY_SECONDS}
        )


class _AMQP(AMQP):
    Connection = _Connection


class StalledConsumer(bootsteps.StartStopStep):
    """Reconnects a worker that has no free prefetch slot although it holds no message.

    When an acknowledgement cannot be sent, kombu does not free the message's slot. A worker without
    a free slot does not poll Redis, so it would never notice that its connection is lost.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    timer: Any = None

    def include_if(self, parent: Consumer) -> bool:
        """Return whether the broker is Redis; RabbitMQ has heartbeats."""
        return parent.app.connection_for_write().transport.driver_type == "redis"

    def start(self, parent: Consumer) -> None:
        """Start the periodic check."""
        self.stalled = False
        self.timer = parent.timer.call_repeatedly(STALL_CHECK_SECONDS, self.check, (parent,))

    def stop(self, parent: Consumer) -> None:
        """Stop the check, which may not have started if the connection was lost early."""
        del parent
        if self.timer:
            self.timer.cancel()

    def check(self, parent: Consumer) -> None:
        """Make the worker reconnect if two checks in a row find that it has stalled.

        Raises:
            ConnectionError: Celery treats it as a lost connection.

        """
        before = self.stalled
        self.stalled = not (
            parent.task_consumer.channel.qos.can_consume() or state.reserved_requests
        )
        if before and self.stalled:
            message = "no prefetch slot is free, but no message is in progress"
            raise ConnectionError(message)


class Broker:
    """The broker of one application, with its Celery application; it connects on first use."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self.settings = settings = tasks.settings
        self._timeout = settings.task_publish_timeout_seconds
        self.name = settings.service_name
        self.celery = Celery(self.name, amqp=_AMQP, set_as_current=False, fixups=[])
        self.celery.conf.update(configuration(settings))
        self.celery.conf.update(self._queues())
        self._connection: Connection | None = None

    @property
    def dead_letter_queue_name(self) -> str:
        """The name of the queue, on Redis the list, of dead letters."""
        return f"{self.name}.dead"

    @property
    def is_rabbitmq(self) -> bool:
        """Whether the broker is RabbitMQ, which stores dead letters itself."""
        return bool(self.celery.connection().transport.driver_type == "amqp")

    def _queues(self) -> dict[str, object]:
        arguments: dict[str, object] = {}
        # Celery's delayed delivery with quorum queues requires a topic exchange.
        kind = "direct"
        if self.is_rabbitmq:
            kind = "topic"
            arguments = {
                "x-queue-type": "quorum",
                # Limits the deliveries of a message that kills its workers. This is not a setting:
                # RabbitMQ refuses to redeclare an existing queue with other arguments.
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": self.dead_letter_queue_name,
            }
        name = self._tasks.queue_name
        exchange = Exchange(self.name, type=kind)
        queue = Queue(name, exchange, routing_key=name, queue_arguments=arguments or None)
        return {
            "task_queues": [queue],
            "task_default_queue": name,
            "task_default_exchange": exchange.name,
            "task_default_exchange_type": kind,
            "task_default_routing_key": name,
        }

    def _dead_letter_queue(self) -> Queue:
        arguments = {
            "x-queue-type": "quorum",
            "x-max-length": MAX_DEAD_LETTERS,
            "x-message-ttl": DEAD_LETTER_TTL_SECONDS * 1_000,
        }
        return Queue(
            self.dead_letter_queue_name, queue_arguments=arguments if self.is_rabbitmq else None
        )

    def send(self, message: Message) -> None:
        """Publish a message; RabbitMQ has confirmed it when this returns.

        Raises:
            Exception: the transport's own, when the broker is unavailable.

        """
        idle, self._connection = self._connection, None
        if idle is not None:
            try:
                return self._publish_over(idle, message)
            except Exception:  # noqa: BLE001  an idle connection may have been closed
                idle.collect(self._timeout)
        return self._publish_over(self.connect(), message)

    def _publish_over(self, connection: Connection, message: Message) -> None:
        self.celery.send_task(
            message.task,
            args=[message.values],
            task_id=message.id,
            headers={NESTED_HEADERS: dict(message.headers)},
            producer=self.celery.amqp.Producer(connection, auto_declare=False),
            retry=False,
            confirm_timeout=self._timeout,
            # Celery would repeat the arguments in these headers, which monitors and logs show.
            argsrepr=REDACTED,
            kwargsrepr=REDACTED,
            declare=[*self.celery.conf.task_queues, self._dead_letter_queue()],
        )
        self._connection = connection

    def connect(self) -> Connection:
        """Connect to the broker, with one attempt and a timeout.

        Raises:
            Exception: the transport's own, when the broker does not answer in time.

        """
        limits = {"read_timeout": self._timeout, "write_timeout": self._timeout}
        if not self.is_rabbitmq:
            limits = {"socket_timeout": self._timeout}
        connection = self.celery.connection_for_write(transport_options=limits)
        return connection.ensure_connection(max_retries=0)

    def run(self, celery_task: CeleryTask, values: Mapping[str, Any]) -> None:
        """Run a received message, and report its outcome to the broker through Celery."""
        request = celery_task.request
        attempt = request.retries + 1
        # {% if cookiecutter.database == "none" %}
        attempt += self._worker_lost_count(celery_task)
        # {% endif %}
        message = Message(
            celery_task.name,
            values,
            dict(getattr(request, NESTED_HEADERS, None) or {}),
            str(request.id),
            attempt,
        )
        outcome = self._tasks.process(message)
        if outcome.retry_seconds is not None:
            if not outcome.counts:
                request.retries -= 1  # Celery counts every retry
            # After a longer delay, Redis would deliver the message to another worker.
            raise celery_task.retry(
                countdown=min(outcome.retry_seconds, self._tasks.settings.task_max_backoff_seconds)
            )
        if outcome == DEAD:
            self.dead_letter({"task": message.task, "id": message.id, "values": values})
            raise Reject(requeue=False)

    # {% if cookiecutter.database == "none" %}
    def _worker_lost_count(self, celery_task: CeleryTask) -> int:
        """Return how many earlier runs of a message ended because their worker died."""
        request = celery_task.request
        if self.is_rabbitmq:
            return int(getattr(request, DELIVERY_COUNT, 0))
        if not (request.delivery_info or {}).get("redelivered"):
            return 0
        try:
            with self.connect() as connection:
                client = connection.default_channel.client
                lost = int(client.incr(key := f"{self.name}.lost.{request.id}"))
                client.expire(key, DEAD_LETTER_TTL_SECONDS)
                return lost
        except Exception:  # noqa: BLE001  each transport raises its own errors
            return 0  # an extra run is better than no run

    # {% endif %}
    def dead_letter(self, body: Mapping[str, object]) -> None:
        """Store a dead letter, except on RabbitMQ, which stores rejected messages itself."""
        if self.is_rabbitmq:
            return
        with self.connect() as connection:
            producer = self.celery.amqp.Producer(connection, auto_declare=False)
            producer.publish(
                {**body, "at": time.time()},
                routing_key=self.dead_letter_queue_name,
                declare=[self._dead_letter_queue()],
            )
            if client := getattr(connection.default_channel, "client", None):
                _trim_and_expire(client, self.dead_letter_queue_name)

    def dead_letter_rejected(self, message: KombuMessage, **_: object) -> None:
        """Dead-letter a message that Celery rejected before it reached a task."""
        self._tasks.report_rejected()
        headers = message.headers or {}
        stored = dict(headers) if isinstance(headers, Mapping) else repr(headers)
        self.dead_letter({"headers": stored, "body": repr(message.body)})

    # {% if cookiecutter.database == "none" %}
    def ping(self) -> None:
        """Raise an error when the broker does not answer."""
        with self.connect() as connection:
            connection.default_channel.close()

    # {% endif %}
    # {% if cookiecutter.database == "none" and cookiecutter.metrics %}
    def depths(self) -> tuple[int, int]:
        """Return the number of messages that no worker has taken yet, and of dead letters.

        Raises:
            Exception: the transport's own, when the broker is unavailable.

        """
        (waiting,), dead = self.celery.conf.task_queues, self._dead_letter_queue()
        with self.connect() as connection:
            return self._depth(connection, waiting), self._depth(connection, dead)

    def _depth(self, connection: Connection, queue: Queue) -> int:
        channel = connection.default_channel
        # Only an existing queue has a length; in Redis, an empty queue does not exist.
        queue.declare(channel=channel)
        return int(channel.queue_declare(queue.name, passive=self.is_rabbitmq).message_count)

    # {% endif %}
    def shut_down(self, **_: object) -> None:
        """Call the `at_exit` callbacks and close the connection (Celery's `worker_process_shutdown`)."""
        for callback in self._tasks.at_exit:
            callback()
        if self._connection is not None:
            self._connection.collect(self._timeout)
            self._connection = None


broker = Extension[Broker]("broker")


def worker(app: Flask) -> Celery:
    """Return the Celery application for `celery worker`, with all tasks and the schedule.

    Raises:
        InvalidSettings: when there is no broker, so that a worker would have nothing to do.

    """
    if not runner.tasks.of(app).settings.broker_url:
        raise config.InvalidSettings(
            {"BROKER_URL": "is not set: without a broker, tasks run in the request"}
        )
    connected = broker.of(app)
    celery = connected.celery
    for name in runner.tasks.of(app):
        celery.task(_task_function(connected), name=name, bind=True, max_retries=None)
    # {% if cookiecutter.database != "none" %}
    for job in schedule.periodic_jobs.of(app):
        celery.task(_job_function(job), name=job.name)
        celery.conf.beat_schedule[job.name] = {
            "task": job.name,
            "schedule": job.seconds,
            # A run that has not started by then is left to the next one.
            "options": {"expires": job.seconds},
        }
    # {% endif %}
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger(name).addFilter(_remove_arguments)
    celery.steps["consumer"].add(StalledConsumer)
    signals.setup_logging.connect(_set_up_logging)
    signals.worker_shutting_down.connect(_log_stop)
    if heartbeat := connected.settings.worker_heartbeat_file:
        signals.heartbeat_sent.connect(_heartbeat_handler(heartbeat), weak=False)
    for signal in (signals.task_unknown, signals.task_rejected):
        signal.connect(connected.dead_letter_rejected, weak=False)
    signals.worker_process_shutdown.connect(connected.shut_down, weak=False)
    return celery


# Celery expects functions as tasks.
def _task_function(connected: Broker) -> Callable[..., None]:
    def run(celery_task: CeleryTask, values: Any = None, *_: object, **__: object) -> None:  # noqa: ANN401
        # The values may be anything; the task's schema validates them.
        connected.run(celery_task, values)

    return run


# {% if cookiecutter.database != "none" %}
def _job_function(job: schedule.Job) -> Callable[[], None]:
    def run() -> None:
        job.claim_and_run()

    return run


# {% endif %}
def _set_up_logging(**_: object) -> None:
    """Prevent Celery from configuring logging: a receiver of this signal replaces that.

    The logger of Celery's process pool does not propagate, so it gets the root logger's handlers.
    """
    for handler in logging.getLogger().handlers:
        logging.getLogger("multiprocessing").addHandler(handler)


def _log_stop(sig: str = "", how: str = "", **_: object) -> None:
    """Log the signal that stops the worker, and whether running tasks may finish (`Warm`)."""
    logger.info("worker stopping", extra={telemetry.SIGNAL: sig, telemetry.HOW: how})


def _remove_arguments(record: logging.LogRecord) -> bool:
    """Remove the task's arguments, which Celery adds to the log records of failures."""
    vars(record).pop("data", None)
    return True


def _heartbeat_handler(heartbeat: Path) -> Callable[..., None]:
    """Return a signal handler that touches the file of the worker's health check."""

    def touch_heartbeat(**_: object) -> None:
        heartbeat.touch()

    return touch_heartbeat


def _trim_and_expire(client: Any, key: str) -> None:  # noqa: ANN401  redis.Redis, imported only by the transport
    """Limit a Redis list to the newest dead letters, and let it expire."""
    client.ltrim(key, 0, MAX_DEAD_LETTERS - 1)
    client.expire(key, DEAD_LETTER_TTL_SECONDS)


def _tls_options(server: ServerURL) -> dict[str, object] | Literal[False]:
    """Return the TLS options in the form that the transport expects; False without TLS.

    By default, kombu accepts any certificate from Redis, and one for any host name from RabbitMQ.
    """
    if not server.tls or server.url.startswith("redis"):
        return {**server.tls} or False
    required = server.tls["ssl_cert_reqs"] == "required"
    files = {"ssl_ca_certs": "ca_certs", "ssl_certfile": "certfile", "ssl_keyfile": "keyfile"}
    found: dict[str, object] = {
        files[name]: value for name, value in server.tls.items() if name in files
    }
    found["cert_reqs"] = ssl.CERT_REQUIRED if required else ssl.CERT_NONE
    if server.tls["ssl_check_hostname"]:
        found["server_hostname"] = urlsplit(server.url).hostname
    return found


def configuration(settings: TaskSettings) -> dict[str, object]:
    """Return Celery's configuration."""
    server = settings.broker_url and server_url.read(settings.broker_url, settings.broker_ca_file)
    url = server.url if server else ""
    seconds = settings.task_publish_timeout_seconds
    # Redis redelivers a message after this delay and the hard time limit. A retry must not wait
    # longer than that.
    longest_delay = settings.task_max_backoff_seconds
    # {% if cookiecutter.database != "none" %}
    longest_delay = 30  # the outbox stores the messages that wait
    # {% endif %}
    redis = {
        "visibility_timeout": longest_delay + settings.task_hard_time_limit_seconds,
        "unacked_restore_throttle": 1,  # checks every ten seconds
        "socket_connect_timeout": seconds,
        "socket_keepalive": True,
    }
    amqp = {"confirm_publish": True}
    return {
        "broker_url": url,
        "broker_use_ssl": _tls_options(server) if server else False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A refused command may soon succeed: Redis is read-only for a while after a failover.
        "broker_channel_error_retry": True,
        "broker_connection_timeout": seconds,
        "broker_heartbeat": 10,
        "broker_transport": "app.core.tasks.redis_transport:Transport"
        if url.startswith("redis")
        else None,
        "worker_consumer": "app.core.tasks.consumer:Consumer",
        "broker_transport_options": redis if url.startswith("redis") else amqp,
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_create_missing_queues": False,
        # A message is requeued when its worker dies, and rejected when its task fails for good.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure": False,
        "task_acks_on_timeout": False,
        "task_soft_time_limit": settings.task_time_limit_seconds,
        "task_time_limit": settings.task_hard_time_limit_seconds,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        # Remote control is not used, and the workers of a host would share its queue.
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "beat_schedule": {},
        # In memory, because a worker may have no writable file system.
        "beat_scheduler": "celery.beat:Scheduler",
    }


def init_app(app: Flask, tasks: Tasks) -> None:
    """Give the application its broker, to which its tasks are published.

    Raises:
        InvalidSettings: when kombu does not accept a parameter of BROKER_URL.

    """
    try:
        connected = broker.set(app, Broker(tasks))
    except (TypeError, ValueError):
        problem = "has a parameter or a value that kombu does not accept"
        raise config.InvalidSettings({"BROKER_URL": problem}) from None
    tasks.publisher = Publisher(connected.send, tasks.settings.task_publish_timeout_seconds)
    # {% if cookiecutter.database == "none" %}
    # Without an outbox, no task can be queued while the broker is unavailable.
    checks.readiness_checks.of(app).probes["broker"] = connected.ping
    # {% endif %}
