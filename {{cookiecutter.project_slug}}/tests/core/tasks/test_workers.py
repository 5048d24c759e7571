"""Real workers on a real broker: the guarantees when one of them fails."""

import time
from collections.abc import Iterator
from itertools import product

import pytest

from app.core.tasks import (  # one line where it fits
    Message,
    # {% if cookiecutter.database != "none" %}
    tasks,
    # {% endif %}
)
from app.core.tasks.celery_app import broker
from conftest import (  # one line where it fits
    MakeApp,
    # {% if cookiecutter.database != "none" %}
    body,
    # {% endif %}
)
from tests import toy_task
from tests.waiting import HANG_TIMEOUT_SECONDS, wait_until
from tests.workers import Service, Worker, serving

pytestmark = pytest.mark.process

TASK = toy_task.TASK.name


@pytest.fixture
def service(make_app: MakeApp, request: pytest.FixtureRequest) -> Iterator[Service]:
    with serving(make_app, request) as started:
        yield started


@pytest.fixture
def working(service: Service) -> Iterator[Worker]:
    with service.start() as started:
        yield started


def dead_letters(service: Service) -> int:
    own = broker.of(service.app)
    with own.connect() as connection:
        return int(
            connection.default_channel.queue_declare(
                own.dead_letter_queue_name, passive=own.is_rabbitmq
            )[1]
        )


def test_a_worker_sends_an_email_and_stops_on_a_signal(service: Service, working: Worker) -> None:
    response = service.request_email()

    assert service.emails_after(0.5) == 1
    wait_until(lambda: any(line["message"] == "task done" for line in working.lines()))
    assert working.stop() == 0
    (stopped,) = [line for line in working.lines() if line["message"] == "worker stopping"]
    assert (stopped["signal"], stopped["how"]) == ("SIGTERM", "Warm")
    (done,) = [line for line in working.lines() if line["message"] == "task done"]
    assert done["request_id"] == response.headers["X-Request-ID"]
    assert done["task.name"] == TASK
    assert "ada@" not in working.log.read_text()


def test_a_worker_that_is_stopped_finishes_its_task(service: Service, working: Worker) -> None:
    box = service.mail.box
    box.go.clear()
    service.request_email()
    wait_until(box.reached.is_set)

    working.process.terminate()
    time.sleep(0.5)
    assert working.process.poll() is None
    box.go.set()

    assert working.process.wait(HANG_TIMEOUT_SECONDS) == 0
    assert service.emails_after(0.5) == 1


def test_a_process_that_is_killed_midway_leaves_one_email(
    service: Service, working: Worker
) -> None:
    box = service.mail.box
    box.go.clear()
    service.request_email()
    wait_until(box.reached.is_set)

    working.kill_tasks()
    box.go.set()

    with service.start("--beat"):
        assert service.emails_after() == 1


def test_a_worker_that_is_killed_midway_leaves_one_email(service: Service) -> None:
    box = service.mail.box
    box.go.clear()
    with service.start() as first:
        service.request_email()
        wait_until(box.reached.is_set)
        first.kill()
    box.go.set()

    with service.start("--beat"):
        assert service.emails_after() == 1


def test_a_busy_mail_server_is_tried_again(service: Service) -> None:
    service.mail.box.busy = 2

    with service.start("--beat"):
        service.request_email()
        assert service.emails_after() == 1

    assert service.mail.box.busy == 0


def test_an_unreadable_message_becomes_a_dead_letter(service: Service, working: Worker) -> None:
    send = broker.of(service.app).send

    send(Message(TASK, {"nonsense": "canary"}))
    send(Message("unknown.task", {"nonsense": "canary"}))

    wait_until(lambda: dead_letters(service) == 2)
    refused = [line for line in working.lines() if line["message"] == "task failed permanently"]
    assert len(refused) == 1
    service.request_email()
    assert service.emails_after(0.5) == 1


# Messages that are not tasks: no JSON, other JSON, an unknown task, headers of unexpected types.
GARBAGE = (
    b"CANARY",
    b"\xff\xfe\x00CANARY",
    b"[]",
    b'"CANARY"',
    b"{}",
    b'{"body": "CANARY"}',
    b'{"body": "CANARY", "properties": {"delivery_tag": "1"}}',
    b'{"body": "CANARY", "properties": {"delivery_tag": "2", "delivery_info": {}}, "headers": []}',
    b'{"properties": {"delivery_tag": null, "delivery_info": {"exchange": "", "routing_key": ""}}}',
    b'{"body": 7, "properties": {"delivery_tag": "3", "delivery_info": {}}, "headers": {"task": []}}',
)
NO_MESSAGE = "malformed message discarded"
HEADERS_OF_OTHERS: tuple[dict[str, object], ...] = (
    {},
    {"task": "unknown", "id": "1"},
    {"task": "unknown"},
    {"task": [TASK], "id": "2"},
    {"task": TASK},
    {"task": TASK, "id": "3", "lang": "py", "eta": "CANARY"},
    {"task": TASK, "id": "4", "lang": "py", "timelimit": "CANARY"},
    {"task": TASK, "id": "5", "lang": "py", "timelimit": ["CANARY", "CANARY"]},
)
BODIES_OF_OTHERS = (b"CANARY", b'[[{"nonsense": "CANARY"}], {}, {"chain": "CANARY"}]')


def test_malformed_messages_neither_stop_a_worker_nor_reach_its_log(
    service: Service, working: Worker
) -> None:
    own = broker.of(service.app)
    queue = f"{own.name}.tasks"
    own.send(Message("unknown.task", {"nonsense": "CANARY"}))  # also makes the queues
    with own.connect() as connection:
        channel = connection.default_channel
        if not own.is_rabbitmq:
            channel.client.lpush(queue, *GARBAGE)
        producer = own.celery.amqp.Producer(connection, auto_declare=False)
        kinds = ("application/json", "application/x-python-serialize")
        for headers in HEADERS_OF_OTHERS:
            for body, kind in product(BODIES_OF_OTHERS, kinds):
                producer.publish(
                    body,
                    exchange=own.name,
                    routing_key=queue,
                    headers=headers,
                    content_type=kind,
                    content_encoding="utf-8",
                )
    wait_until(lambda: dead_letters(service) >= 4 * len(HEADERS_OF_OTHERS))

    service.request_email()

    assert service.emails_after(0.5) == 1
    assert working.process.poll() is None
    logged = working.log.read_text()
    assert "message rejected" in logged
    assert "CANARY" not in logged
    assert "Connection to broker lost" not in logged
    if not own.is_rabbitmq:
        found = [line for line in working.lines() if line["message"] == NO_MESSAGE]
        assert len(found) == len(GARBAGE), "an entry was overlooked, or silence taken for one"


# {% if cookiecutter.database == "none" %}
def test_a_message_that_kills_its_workers_becomes_a_dead_letter(service: Service) -> None:
    box = service.mail.box
    box.go.clear()
    with service.start(TASK_MAX_ATTEMPTS="3") as started:

        def killed_for_good() -> int:
            if box.reached.is_set():
                box.reached.clear()
                started.kill_tasks()
            return dead_letters(service)

        service.request_email()
        wait_until(killed_for_good)
    box.go.set()

    assert box.taken == []


# {% endif %}
# {% if cookiecutter.database != "none" %}
def test_a_message_that_is_delivered_several_times_leaves_one_email(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, send = tasks.of(service.app), broker.of(service.app).send

    def send_thrice(message: Message) -> None:
        for _ in range(3):
            send(message)

    monkeypatch.setattr(own, "publisher", send_thrice)
    service.request_email()

    with service.start("--concurrency", "3") as started:
        assert service.emails_after() == 1
        ended = ("task done", "task already done", "task postponed")
        wait_until(lambda: sum(line["message"] in ended for line in started.lines()) == 3)


def test_a_request_is_accepted_without_a_broker_and_its_email_follows(
    service: Service, make_app: MakeApp, database_url: str
) -> None:
    away = toy_task.init_app(make_app(database_url=database_url, broker_url="amqp://127.0.0.1:1"))
    started = time.monotonic()

    response = away.test_client().post(toy_task.URL, json=toy_task.NOTE)

    assert time.monotonic() - started < HANG_TIMEOUT_SECONDS
    assert response.status_code == 202
    with service.start("--beat"), service.start("--beat"):
        assert service.emails_after() == 1
    assert service.mail.box.taken == [f"<note.{body(response)['id']}@shop.example>"]


# {% endif %}
def test_a_service_with_its_broker_is_ready(service: Service) -> None:
    assert service.client.get("/health/ready").status_code == 200
