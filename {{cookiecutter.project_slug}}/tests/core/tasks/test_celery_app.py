import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import marshmallow as ma
import pytest
from celery import signals
from celery.exceptions import Reject, Retry
from celery.worker import state
from flask import Flask
from flask.testing import FlaskClient
from kombu.exceptions import EncodeError
from kombu.message import Message as Delivered
from pydantic import ValidationError

from app.core.config import InvalidSettings
from app.core.schemas import Schema
from app.core.tasks import (
    BrokerUnavailable,
    Message,
    PermanentFailure,
    RetryLater,
    Task,
    celery_app,
    runner,
    tasks,
)
from app.core.tasks.celery_app import Broker, broker
from app.core.tasks.settings import TaskSettings
from conftest import LogLines, MakeApp
from tests.tls_server import certify, tls_server

AWAY = "amqp://guest:guest@127.0.0.1:1//"


class NoteSchema(Schema):
    text = ma.fields.String(required=True)


ran: list[object] = []


def act(values: dict[str, str]) -> None:
    ran.append(values)
    if values["text"] == "later":
        raise RetryLater(1e6)
    if values["text"] == "permanent":
        raise PermanentFailure
    if values["text"] == "failing":
        raise OSError


NOTE = Task("note", NoteSchema(), act)


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Iterator[Flask]:
    """Return a worker's application with a broker in memory."""
    app = make_app(broker_url="memory://", service_name="broker-tests")
    own = tasks.of(app)
    own.add(NOTE)
    own.message_store = None  # these tests are about the broker
    connected = (
        signals.setup_logging,
        signals.heartbeat_sent,
        signals.task_unknown,
        signals.task_rejected,
        signals.worker_process_shutdown,
        signals.worker_shutting_down,
    )
    before = [list(signal.receivers) for signal in connected]
    noisy = [logging.getLogger(name) for name in celery_app.NOISY_LOGGERS]
    levels = [logger.level for logger in noisy]
    celery_app.worker(app)
    yield app
    broker.of(app).shut_down()
    for signal, receivers in zip(connected, before, strict=True):
        signal.receivers[:] = receivers
    for logger, level in zip(noisy, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(autouse=True)
def _from_scratch(app: Flask) -> None:
    ran.clear()
    with broker.of(app).celery.connection_for_write() as connection:
        for name in ("broker-tests.tasks", "broker-tests.dead"):
            connection.default_channel.queue_purge(name)


def waiting(app: Flask, queue: str) -> list[Any]:
    """Return the messages in a queue."""
    with broker.of(app).celery.connection_for_write() as connection:
        found = []
        while message := connection.default_channel.basic_get(queue, no_ack=True):
            found.append(message)
    return found


def run(app: Flask, values: Mapping[str, object], **more: object) -> None:
    """Run a task with a received message, as a worker does."""
    task = broker.of(app).celery.tasks["note"]
    usual = {"id": str(uuid4()), "retries": 0, "called_directly": False, "kwargs": {}}
    task.push_request(**{**usual, "args": [values], **more})
    try:
        task(values)
    finally:
        task.pop_request()


def test_a_message_holds_its_values_and_where_it_comes_from_once(
    app: Flask, client: FlaskClient
) -> None:
    own = tasks.of(app)

    own.publish(own.create_message(NOTE, {"text": "x"}))

    (message,) = waiting(app, "broker-tests.tasks")
    assert message.payload[0] == [{"text": "x"}]
    assert message.headers["task"] == "note"
    assert message.headers["argsrepr"] == "-"
    assert message.content_type == "application/json"
    assert client.get("/health/ready").status_code == 200


def test_a_worker_runs_what_has_arrived(app: Flask) -> None:
    run(app, {"text": "x"})

    assert ran == [{"text": "x"}]
    assert waiting(app, "broker-tests.dead") == []


def test_a_message_that_cannot_be_processed_becomes_a_dead_letter(app: Flask) -> None:
    for values in ({"text": "permanent"}, {"txt": ""}, {}):
        with pytest.raises(Reject):
            run(app, values)

    emails = [message.payload for message in waiting(app, "broker-tests.dead")]
    assert [email["values"] for email in emails] == [{"text": "permanent"}, {"txt": ""}, {}]
    assert {email["task"] for email in emails} == {"note"}


def test_a_postponed_run_goes_back_to_the_broker(app: Flask) -> None:
    with pytest.raises(Retry):
        run(app, {"text": "later"})

    (message,) = waiting(app, "broker-tests.tasks")
    eta = datetime.fromisoformat(message.headers["eta"])
    # Redis would redeliver a message that waits longer than the visibility timeout.
    longest = timedelta(seconds=tasks.of(app).settings.task_max_backoff_seconds)
    assert longest - timedelta(seconds=60) < eta - datetime.now(UTC) <= longest
    # A postponed run does not count as a failed attempt.
    assert message.headers["retries"] == 0


def test_a_failed_run_goes_back_to_the_broker_as_another_attempt(app: Flask) -> None:
    with pytest.raises(Retry):
        run(app, {"text": "failing"})

    (message,) = waiting(app, "broker-tests.tasks")
    assert message.headers["retries"] == 1


def test_a_message_that_celery_cannot_read_becomes_a_dead_letter(app: Flask) -> None:
    strange = Delivered(body=b"{", headers={"task": "unknown"})
    runs: list[Mapping[str, object]] = []

    def record(_: Flask, **fields: object) -> None:
        runs.append(fields)

    with runner.run_finished.connected_to(record, app):
        signals.task_unknown.send(sender=None, message=strange)

    (email,) = waiting(app, "broker-tests.dead")
    assert email.payload["headers"] == {"task": "unknown"}
    assert runs == [{"task": runner.UNKNOWN, "outcome": "dead", "seconds": 0}]


@pytest.mark.usefixtures("app")
def test_the_arguments_of_a_task_that_failed_are_not_logged(log_lines: LogLines) -> None:
    celerys = logging.getLogger("celery.app.trace")

    celerys.error("Task failed", extra={"data": {"args": "CANARY", "kwargs": "CANARY"}})

    assert log_lines[-1]["message"] == "Task failed"
    assert "CANARY" not in str(log_lines)


def test_rabbitmq_keeps_dead_letters_itself(make_app: MakeApp) -> None:
    made = Broker(tasks.of(make_app(broker_url=AWAY, service_name="shop", task_max_attempts=5)))

    made.dead_letter({"task": "note"})  # connects to nothing

    (queue,) = made.celery.conf.task_queues
    assert queue.queue_arguments == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 20,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "shop.dead",
    }
    assert made.celery.conf.broker_transport_options == {"confirm_publish": True}


def test_redis_gives_a_message_back_when_its_worker_is_silent_for_long(make_app: MakeApp) -> None:
    made = broker.of(
        make_app(
            broker_url="redis://127.0.0.1:1/0",
            task_time_limit_seconds=10,
            task_max_backoff_seconds=40,
        )
    )

    options = made.celery.conf.broker_transport_options
    # {% if cookiecutter.database == "none" %}
    silence = 40
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    silence = 30
    # {% endif %}
    assert options["visibility_timeout"] == silence + 15
    assert not made.is_rabbitmq


def test_a_list_of_redis_keeps_the_newest_dead_letters_for_a_while(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[tuple[object, ...]] = []

    class Client:
        def ltrim(self, *arguments: object) -> None:
            commands.append(arguments)

        def expire(self, *arguments: object) -> None:
            commands.append(arguments)

    with broker.of(app).connect() as connection:
        monkeypatch.setattr(type(connection.default_channel), "client", Client(), raising=False)
    broker.of(app).dead_letter({})

    assert commands == [("broker-tests.dead", 0, 9_999), ("broker-tests.dead", 1_209_600)]


def test_a_stalled_consumer_reconnects(
    app: Flask, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Callable[[], object]] = []

    class Timer:
        def call_repeatedly(
            self, _: float, run: Callable[..., object], arguments: tuple[object, ...]
        ) -> "Timer":
            looks.append(partial(run, *arguments))
            return self

        def cancel(self) -> None:
            looks.clear()

    free, in_hand = [True], set[object]()
    monkeypatch.setattr(state, "reserved_requests", in_hand)
    on_redis = broker.of(make_app(broker_url="redis://127.0.0.1:1/0")).celery
    channel = SimpleNamespace(qos=SimpleNamespace(can_consume=lambda: free[0]))
    consumer: Any = SimpleNamespace(
        timer=Timer(), app=on_redis, task_consumer=SimpleNamespace(channel=channel)
    )
    in_memory: Any = SimpleNamespace(app=broker.of(app).celery)
    step = celery_app.StalledConsumer(consumer)
    step.stop(consumer)  # before its start, as when connecting fails
    step.start(consumer)
    look = looks[0]

    look()
    free[0] = False
    in_hand.add("a task that runs")
    look()
    in_hand.clear()
    look()  # it may just have ended
    with pytest.raises(ConnectionError):
        look()
    step.stop(consumer)

    assert looks == []
    assert issubclass(ConnectionError, on_redis.connection().connection_errors)
    assert step.include_if(consumer)
    assert not step.include_if(in_memory)
    assert celery_app.StalledConsumer in broker.of(app).celery.steps["consumer"]


def test_an_unavailable_broker_is_reported_in_time(make_app: MakeApp) -> None:
    own = tasks.of(make_app(broker_url=AWAY))

    with pytest.raises(BrokerUnavailable):
        own.publish(own.create_message(NOTE, {"text": "x"}))


# {% if cookiecutter.database == "none" %}
def test_in_redis_runs_whose_worker_died_are_counted(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, int] = {}
    limits: list[object] = []

    class Client:
        def incr(self, key: str) -> int:
            kept[key] = kept.get(key, 14) + 1
            return kept[key]

        def expire(self, key: str, seconds: int) -> None:
            if key in kept:
                limits.append(seconds)

        def ltrim(self, *_: object) -> None:
            pass  # the dead letters

    with broker.of(app).connect() as connection:
        monkeypatch.setattr(type(connection.default_channel), "client", Client(), raising=False)
    same = str(uuid4())
    again = {"id": same, "delivery_info": {"redelivered": True}}
    run(app, {"text": "first"}, delivery_info={"redelivered": False})
    run(app, {"text": "last"}, **again)
    with pytest.raises(Reject):
        run(app, {"text": "given up"}, **again)

    assert ran == [{"text": "first"}, {"text": "last"}]
    assert kept == {f"broker-tests.lost.{same}": 16}
    assert limits == [1_209_600] * 2


def test_a_message_that_cannot_be_counted_is_run(app: Flask) -> None:
    # The broker in memory has no Redis client that could count.
    run(app, {"text": "x"}, delivery_info={"redelivered": True})

    assert ran == [{"text": "x"}]


def test_rabbitmq_counts_runs_whose_worker_died(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Broker, "is_rabbitmq", True)

    run(app, {"text": "last"}, **{"x-delivery-count": 15})
    with pytest.raises(Reject):
        run(app, {"text": "given up"}, **{"x-delivery-count": 16})

    assert ran == [{"text": "last"}]


def test_without_a_database_the_broker_decides_whether_the_service_is_ready(
    make_app: MakeApp,
) -> None:
    response = make_app(broker_url=AWAY).test_client().get("/health/ready")

    assert response.status_code == 503
    assert response.json is not None
    assert response.json["checks"]["broker"] == "down"


# {% endif %}
# {% if cookiecutter.database != "none" %}
def test_with_an_outbox_the_service_is_ready_without_its_broker(make_app: MakeApp) -> None:
    app = make_app(broker_url=AWAY, task_publish_timeout_seconds=1.0)

    assert broker.of(app).celery.conf.broker_connection_timeout == 1.0


def test_a_worker_has_a_beat_for_each_job(app: Flask) -> None:
    beats = broker.of(app).celery.conf.beat_schedule

    assert beats["outbox.relay"]["options"] == {"expires": beats["outbox.relay"]["schedule"]}
    broker.of(app).celery.tasks["outbox.relay"]()


# {% endif %}
def test_the_pool_of_a_worker_and_its_end_are_logged_as_all_else(
    app: Flask, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    pool = logging.getLogger("multiprocessing")
    monkeypatch.setattr(pool, "handlers", [])

    signals.setup_logging.send(sender=app)
    signals.worker_shutting_down.send(sender=app, sig="SIGTERM", how="Warm", exitcode=0)

    assert pool.handlers == logging.getLogger().handlers
    assert log_lines[-1]["message"] == "worker stopping"
    assert (log_lines[-1]["signal"], log_lines[-1]["how"]) == ("SIGTERM", "Warm")


def test_a_worker_touches_its_heartbeat_file(make_app: MakeApp, tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    app = make_app(broker_url="memory://", worker_heartbeat_file=heartbeat)
    celery_app.worker(app)
    assert not heartbeat.exists()

    signals.heartbeat_sent.send(sender=app)

    assert heartbeat.exists()


def test_a_workers_process_ends_in_order(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[bool] = []
    monkeypatch.setattr(tasks.of(app), "at_exit", [lambda: done.append(True)])

    signals.setup_logging.send(sender=app)
    signals.worker_process_shutdown.send(sender=app)

    assert done == [True]


def test_without_a_broker_there_is_nothing_for_a_worker_to_do(make_app: MakeApp) -> None:
    with pytest.raises(InvalidSettings, match="BROKER_URL: is not set"):
        celery_app.worker(make_app())


def test_a_broken_connection_is_not_used_again(app: Flask) -> None:
    own = Broker(tasks.of(app))
    message = tasks.of(app).create_message(NOTE, {"text": "x"})
    own.send(message)

    with pytest.raises(EncodeError):
        own.send(Message("note", {"text": object()}))
    own.send(message)
    own.send(message)

    assert len(waiting(app, "broker-tests.tasks")) == 3


@pytest.mark.slow
@pytest.mark.attack
def test_a_broker_is_trusted_only_with_a_certificate_for_its_name(
    tmp_path: Path, make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    for scheme in ("amqps", "rediss"):
        for name, known, parameters, accepted in (
            ("127.0.0.1", False, "", False),
            ("127.0.0.1", True, "", True),
            ("broker.example", True, "", False),
            ("broker.example", True, "?ssl_check_hostname=false", True),
            ("broker.example", False, "?ssl_cert_reqs=none", True),
        ):
            with (
                subtests.test(f"{scheme} {name} {known} {parameters}"),
                tls_server(tmp_path, name) as server,
            ):
                app = make_app(
                    broker_url=f"{scheme}://127.0.0.1:{server.port}/0{parameters}",
                    broker_ca_file=server.ca_file if known else None,
                    task_publish_timeout_seconds=30,
                )
                with pytest.raises(Exception):  # noqa: B017, PT011  each transport has its own
                    broker.of(app).connect()
            assert server.accepted[:1] == [accepted]


def test_a_url_that_leads_to_no_broker_is_refused_at_start(make_app: MakeApp) -> None:
    for url, sentence in (
        ("kafka://broker.example", "must be amqp://user:password@host:5672/vhost or redis"),
        ("memory://", "must be amqp://user:password@host:5672/vhost or redis"),
        ("redis://broker.example/shop", "must end in the number of a Redis database"),
        ("amqp://broker.example?ssl_cert_reqs=none", "has TLS parameters"),
    ):
        with pytest.raises(ValidationError, match=sentence):
            TaskSettings.model_validate({"app_env": "development", "broker_url": url})
    for parameter in ("foo=1", "heartbeat=often"):
        with pytest.raises(
            InvalidSettings, match="BROKER_URL: has a parameter or a value that kombu"
        ):
            make_app(broker_url=f"amqp://broker.example//?{parameter}")


def test_a_brokers_certificates_need_an_encrypted_connection(tmp_path: Path) -> None:
    ca_file, _ = certify(tmp_path, "broker.example")
    values = {"app_env": "testing", "broker_ca_file": ca_file}
    with pytest.raises(ValidationError, match="BROKER_URL must begin with amqps:// or rediss://"):
        TaskSettings.model_validate({**values, "broker_url": "amqp://broker.example//"})

    for url, warned in (("amqps://b//", False), ("amqps://b//?ssl_cert_reqs=none", True)):
        settings = TaskSettings.model_validate({**values, "broker_url": url})
        assert any("BROKER_URL disables" in each for each in settings.warnings()) is warned
