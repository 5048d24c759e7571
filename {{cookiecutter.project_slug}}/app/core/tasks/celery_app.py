"""Celery, which carries the messages of tasks over RabbitMQ or Redis.

One Celery application belongs to one Flask application. Results are not kept: nobody waits for
them, and what a task brings about is in the database.
"""

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from celery import Celery, bootsteps, signals
from celery.app.amqp import AMQP
from celery.app.task import Task as CeleryTask
from celery.exceptions import Reject
from celery.worker import state
from celery.worker.consumer import Consumer
from flask import Flask
from kombu import Connection, Exchange, Queue
from kombu.message import Message as Delivered

from app.core import (  # one line where it fits
    # {% if cookiecutter.database == "none" %}
    checks,
    # {% endif %}
    config,
)
from app.core.config import server_url
from app.core.config.server_url import ServerURL
from app.core.tasks import (  # one line where it fits
    runner,
    # {% if cookiecutter.database != "none" %}
    schedule,
    # {% endif %}
)
from app.core.tasks.runner import Message, Outcome, Publisher, Tasks
from app.core.tasks.settings import TaskSettings

logger = logging.getLogger(__name__)

HEADERS = "app"  # the header that holds a message's own ones
DELIVERIES = 20
# {% if cookiecutter.database == "none" %}
DELIVERY_COUNT = "x-delivery-count"  # what RabbitMQ calls those that nobody confirmed
# {% endif %}
KEPT = 10_000  # dead letters, of which the oldest go first
KEPT_SECONDS = 14 * 86_400
UNSAID = "-"
NOISY = ["celery.beat", "celery.worker.strategy", "celery.app.trace"]
"""Who logs what our one line a task says already."""
RECONNECT_SECONDS = 2  # the longest between two tries


class _Connection(Connection):
    """Comes back soon after a broker does, however long it was away."""

    def ensure_connection(self, *args: object, **options: object) -> Connection:
        return super().ensure_connection(
            *args, **{**options, "interval_start": 1, "interval_max": RECONNECT_SECONDS}
        )


class _AMQP(AMQP):
    Connection = _Connection


class StalledConsumer(bootsteps.StartStopStep):
    """Lets a worker connect anew when all its places are taken and it has nothing in hand.

    When the word that a task is done cannot be sent, kombu keeps its place taken, and a worker
    without a free place asks Redis for nothing: it would never learn that its connection is lost.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    timer: Any = None

    def include_if(self, parent: Consumer) -> bool:
        """Leave RabbitMQ out, which has heartbeats."""
        return parent.app.connection_for_write().transport.driver_type == "redis"

    def start(self, parent: Consumer) -> None:
        """Begin to look."""
        self.lost = False
        self.timer = parent.timer.call_repeatedly(RECONNECT_SECONDS, self.look, (parent,))

    def stop(self, parent: Consumer) -> None:
        """End, as the connection does, which may have been lost before this step began."""
        del parent
        if self.timer:
            self.timer.cancel()

    def look(self, parent: Consumer) -> None:
        """Raise what makes a worker connect anew, if the places were lost the last time too.

        Raises:
            ConnectionError: Celery takes it for an error of the connection.

        """
        before = self.lost
        self.lost = not (parent.task_consumer.channel.qos.can_consume() or state.reserved_requests)
        if before and self.lost:
            message = "tasks are done, and Redis could not be told"
            raise ConnectionError(message)


class Broker:
    """The broker of one application."""

    def __init__(self, own: Tasks) -> None:
        """Make a Celery application; nothing is connected yet."""
        self._tasks = own
        self.settings = settings = own.settings
        self._seconds = settings.task_publish_timeout_seconds
        self.name = settings.service_name
        self.celery = Celery(self.name, amqp=_AMQP, set_as_current=False, fixups=[])
        self.celery.conf.update(configuration(settings))
        self.celery.conf.update(self._queues())
        self._connection: Connection | None = None

    @property
    def dead_letters(self) -> str:
        """The queue, on Redis the list, of what nobody could do."""
        return f"{self.name}.dead"

    @property
    def is_rabbitmq(self) -> bool:
        """Whether the broker itself takes care of dead letters."""
        return bool(self.celery.connection().transport.driver_type == "amqp")

    def _queues(self) -> dict[str, object]:
        arguments: dict[str, object] = {}
        # Celery delays messages in quorum queues, and for that their exchange has to be a topic.
        kind = "direct"
        if self.is_rabbitmq:
            kind = "topic"
            arguments = {
                "x-queue-type": "quorum",
                # A message that kills its workers is tried so often, not for ever. No setting: RabbitMQ
                # refuses to declare a queue that is there already with other arguments.
                "x-delivery-limit": DELIVERIES,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": self.dead_letters,
            }
        name = self._tasks.queue
        exchange = Exchange(self.name, type=kind)
        queue = Queue(name, exchange, routing_key=name, queue_arguments=arguments or None)
        return {
            "task_queues": [queue],
            "task_default_queue": name,
            "task_default_exchange": exchange.name,
            "task_default_exchange_type": kind,
            "task_default_routing_key": name,
        }

    def _dead_queue(self) -> Queue:
        arguments = {
            "x-queue-type": "quorum",
            "x-max-length": KEPT,
            "x-message-ttl": KEPT_SECONDS * 1_000,
        }
        return Queue(self.dead_letters, queue_arguments=arguments if self.is_rabbitmq else None)

    def send(self, message: Message) -> None:
        """Hand a message over; RabbitMQ has then confirmed that it keeps it.

        Raises:
            Exception: whatever the transport raises when the broker is away.

        """
        kept, self._connection = self._connection, None
        if kept is not None:
            try:
                return self._send_over(kept, message)
            except Exception:  # noqa: BLE001  it may have been closed while nothing was sent
                kept.collect(self._seconds)
        return self._send_over(self.connect(), message)

    def _send_over(self, connection: Connection, message: Message) -> None:
        self.celery.send_task(
            message.task,
            args=[message.values],
            task_id=message.id,
            headers={HEADERS: dict(message.headers)},
            producer=self.celery.amqp.Producer(connection, auto_declare=False),
            retry=False,
            confirm_timeout=self._seconds,
            # Their text would be in the headers once more, where monitors and logs show it.
            argsrepr=UNSAID,
            kwargsrepr=UNSAID,
            declare=[*self.celery.conf.task_queues, self._dead_queue()],
        )
        self._connection = connection

    def connect(self) -> Connection:
        """Connect once, and to a broker that answers in time.

        Raises:
            Exception: whatever the transport raises when it does not.

        """
        limits = {"read_timeout": self._seconds, "write_timeout": self._seconds}
        if not self.is_rabbitmq:
            limits = {"socket_timeout": self._seconds}
        connection = self.celery.connection_for_write(transport_options=limits)
        return connection.ensure_connection(max_retries=0)

    def run(self, celery_task: CeleryTask, values: Mapping[str, Any]) -> None:
        """Run what has arrived, and let Celery tell the broker how it went."""
        request = celery_task.request
        attempt = request.retries + 1
        # {% if cookiecutter.database == "none" %}
        attempt += self._lost(celery_task)
        # {% endif %}
        message = Message(
            celery_task.name,
            values,
            dict(getattr(request, HEADERS, None) or {}),
            str(request.id),
            attempt,
        )
        verdict = self._tasks.deliver(message)
        if verdict.outcome is Outcome.AGAIN:
            if not verdict.counts:
                request.retries -= 1  # Celery counts each
            # Redis gives a message to somebody else when it waits for longer.
            raise celery_task.retry(
                countdown=min(verdict.seconds, self._tasks.settings.task_max_backoff_seconds)
            )
        if verdict.outcome is Outcome.DEAD:
            self.dead_letter({"task": message.task, "id": message.id, "values": values})
            raise Reject(requeue=False)

    # {% if cookiecutter.database == "none" %}
    def _lost(self, celery_task: CeleryTask) -> int:
        """Count the runs of a message that did not live to tell."""
        request = celery_task.request
        if self.is_rabbitmq:
            return int(getattr(request, DELIVERY_COUNT, 0))
        if not (request.delivery_info or {}).get("redelivered"):
            return 0
        try:
            with self.connect() as connection:
                client = connection.default_channel.client
                lost = int(client.incr(key := f"{self.name}.lost.{request.id}"))
                client.expire(key, KEPT_SECONDS)
                return lost
        except Exception:  # noqa: BLE001  each transport has its own
            return 0  # one run too many is better than none

    # {% endif %}
    def dead_letter(self, email: Mapping[str, object]) -> None:
        """Keep what RabbitMQ would keep by itself once it is rejected."""
        if self.is_rabbitmq:
            return
        with self.connect() as connection:
            producer = self.celery.amqp.Producer(connection, auto_declare=False)
            producer.publish(
                {**email, "at": time.time()},
                routing_key=self.dead_letters,
                declare=[self._dead_queue()],
            )
            if client := getattr(connection.default_channel, "client", None):
                _bound(client, self.dead_letters)

    def dead_letter_unreadable(self, message: Delivered, **_: object) -> None:
        """Keep what Celery has rejected before any task of ours saw it."""
        self._tasks.refused()
        headers = message.headers or {}
        told = dict(headers) if isinstance(headers, Mapping) else repr(headers)
        self.dead_letter({"headers": told, "body": repr(message.body)})

    # {% if cookiecutter.database == "none" %}
    def ping(self) -> None:
        """Raise when the broker does not answer."""
        with self.connect() as connection:
            connection.default_channel.close()

    # {% endif %}
    # {% if cookiecutter.database == "none" and cookiecutter.metrics %}
    def depths(self) -> tuple[int, int]:
        """Return how many messages no worker has taken yet, and how many dead letters there are.

        Raises:
            Exception: whatever the transport raises when the broker is away.

        """
        (waiting,) = self.celery.conf.task_queues
        with self.connect() as connection:
            return self._depth(connection, waiting), self._depth(connection, self._dead_queue())

    def _depth(self, connection: Connection, queue: Queue) -> int:
        channel = connection.default_channel
        # One that nobody has used yet cannot be asked; in Redis that is every empty one.
        queue.declare(channel=channel)
        return int(channel.queue_declare(queue.name, passive=self.is_rabbitmq).message_count)

    # {% endif %}
    def leave(self, **_: object) -> None:
        """Do what has to be done at the end of a process."""
        for act in self._tasks.at_exit:
            act()
        if self._connection is not None:
            self._connection.collect(self._seconds)
            self._connection = None


def of(app: Flask) -> Broker:
    """Return the broker of this application."""
    return cast("Broker", app.extensions["broker"])


def worker(app: Flask) -> Celery:
    """Return what `celery worker` serves: every task of the application, and its schedule.

    Raises:
        InvalidSettings: when there is no broker, and so nothing for a worker to do.

    """
    if "broker" not in app.extensions:
        raise config.InvalidSettings(
            {"BROKER_URL": "is not set: tasks run where they are asked for"}
        )
    broker = of(app)
    celery = broker.celery
    for name in runner.of(app):
        celery.task(_running(broker), name=name, bind=True, max_retries=None)
    # {% if cookiecutter.database != "none" %}
    for job in schedule.of(app):
        celery.task(_ticking(job), name=job.name)
        celery.conf.beat_schedule[job.name] = {
            "task": job.name,
            "schedule": job.seconds,
            # What was not done by then, the next tick does.
            "options": {"expires": job.seconds},
        }
    # {% endif %}
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger(name).addFilter(_without_arguments)
    celery.steps["consumer"].add(StalledConsumer)
    signals.setup_logging.connect(_set_up_logging)
    signals.worker_shutting_down.connect(_log_stop)
    if heartbeat := broker.settings.worker_heartbeat_file:
        signals.heartbeat_sent.connect(_touching(heartbeat), weak=False)
    for missed in (signals.task_unknown, signals.task_rejected):
        missed.connect(broker.dead_letter_unreadable, weak=False)
    signals.worker_process_shutdown.connect(broker.leave, weak=False)
    return celery


# Celery wants functions.
def _running(broker: Broker) -> Callable[..., None]:
    def run(celery_task: CeleryTask, values: Any = None, *_: object, **__: object) -> None:  # noqa: ANN401
        # Whatever somebody has sent is for the schema to refuse.
        broker.run(celery_task, values)

    return run


# {% if cookiecutter.database != "none" %}
def _ticking(job: schedule.Job) -> Callable[[], None]:
    def tick() -> None:
        job.tick()

    return tick


# {% endif %}
def _set_up_logging(**_: object) -> None:
    """Keep Celery from setting up log lines of its own: whoever answers this signal has done so.

    The logger of its pool of processes passes nothing on to the handlers of others.
    """
    for handler in logging.getLogger().handlers:
        logging.getLogger("multiprocessing").addHandler(handler)


def _log_stop(sig: str = "", how: str = "", **_: object) -> None:
    """Log which signal stops the worker, and whether its tasks may finish (`Warm`)."""
    logger.info("worker stopping", extra={"signal": sig, "how": how})


def _without_arguments(record: logging.LogRecord) -> bool:
    """Leave out what Celery adds to a failure: the arguments of the task, as their sender wrote them."""
    vars(record).pop("data", None)
    return True


def _touching(heartbeat: Path) -> Callable[..., None]:
    """Return what touches the file that a health check looks at."""

    def touch_heartbeat(**_: object) -> None:
        heartbeat.touch()

    return touch_heartbeat


def _bound(client: Any, key: str) -> None:  # noqa: ANN401  redis.Redis, which is loaded with the transport
    """Keep the newest emails in a list of Redis, and not for ever."""
    client.ltrim(key, 0, KEPT - 1)
    client.expire(key, KEPT_SECONDS)


def _verification(server: ServerURL) -> dict[str, object] | Literal[False]:
    """Return how the broker is verified, in the words of its transport; False without TLS.

    Left alone, kombu would believe any certificate of Redis, and of RabbitMQ one for any name.
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
    """Return what Celery is told."""
    server = settings.broker_url and server_url.read(settings.broker_url, settings.broker_ca_file)
    url = server.url if server else ""
    seconds = settings.task_publish_timeout_seconds
    # A message in Redis comes back when its worker has been silent for so long, so no wait for another
    # try may be longer.
    silence = settings.task_max_backoff_seconds
    # {% if cookiecutter.database != "none" %}
    silence = 30  # the outbox keeps what waits
    # {% endif %}
    redis = {
        "visibility_timeout": silence + settings.task_kill_seconds,
        "unacked_restore_throttle": 1,  # looks every ten seconds
        "socket_connect_timeout": seconds,
        "socket_keepalive": True,
    }
    amqp = {"confirm_publish": True}
    return {
        "broker_url": url,
        "broker_use_ssl": _verification(server) if server else False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # What a broker refuses it may take soon: Redis is read-only for a while after a failover.
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
        # A message is given back when its worker dies, and refused when it fails in earnest.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure": False,
        "task_acks_on_timeout": False,
        "task_soft_time_limit": settings.task_time_limit_seconds,
        "task_time_limit": settings.task_kill_seconds,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        # Nobody commands workers over the broker, and its queue would be one for all on a machine.
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "beat_schedule": {},
        # In memory, because a worker may have no place to write to.
        "beat_scheduler": "celery.beat:Scheduler",
    }


def init_app(app: Flask, own: Tasks) -> None:
    """Give the application a broker, and each of its tasks a place there.

    Raises:
        InvalidSettings: when kombu does not know a parameter of the URL.

    """
    try:
        broker = Broker(own)
    except (TypeError, ValueError):
        problem = "has a parameter that kombu does not know, or whose value does not fit"
        raise config.InvalidSettings({"BROKER_URL": problem}) from None
    app.extensions["broker"] = broker
    own.publisher = Publisher(broker.send, own.settings.task_publish_timeout_seconds)
    # {% if cookiecutter.database == "none" %}
    # Nothing can be put off without it.
    checks.of(app).probes["broker"] = broker.ping
    # {% endif %}
