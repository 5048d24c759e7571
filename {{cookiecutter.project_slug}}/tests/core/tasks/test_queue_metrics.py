import os
import re
from threading import Event
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from app.core.tasks import Message
from app.core.tasks.celery_app import broker
from app.core.tasks.queue_metrics import QueueMetrics
from conftest import LogLines, MakeApp
from tests.waiting import HANG_TIMEOUT_SECONDS, wait_until


def read_metrics(client: FlaskClient) -> dict[str, float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert "http_server_threads" in response.text
    return {
        state: float(value)
        for state, value in re.findall(
            r'^queue_messages.state="(\w+)". (\S+)$', response.text, re.MULTILINE
        )
    }


def test_without_a_broker_nothing_waits(client: FlaskClient) -> None:
    assert read_metrics(client) == {"waiting": 0, "dead": 0}


@pytest.mark.parametrize(
    "url",
    [
        "memory://",
        pytest.param(
            os.environ.get("TEST_BROKER_URL"),
            marks=[
                pytest.mark.process,
                pytest.mark.skipif(
                    "TEST_BROKER_URL" not in os.environ, reason="TEST_BROKER_URL names no broker"
                ),
            ],
        ),
    ],
)
def test_the_broker_reports_the_length_of_its_queues(make_app: MakeApp, url: str) -> None:
    app = make_app(
        broker_url=url, service_name=f"depths-{uuid4()}", task_publish_timeout_seconds=10
    )
    client, own = app.test_client(), broker.of(app)

    assert read_metrics(client) == {"waiting": 0, "dead": 0}
    own.send(Message("note", {}))
    own.send(Message("note", {}))
    own.dead_letter({"task": "note"})

    buried = 0 if own.is_rabbitmq else 1
    try:
        _wait_for_metrics(client, {"waiting": 2, "dead": buried})
    finally:
        with own.connect() as connection:
            for queue in (*own.celery.conf.task_queues, own._dead_letter_queue()):  # noqa: SLF001  to be removed
                connection.default_channel.queue_delete(queue.name)
        own.shut_down()


def _wait_for_metrics(client: FlaskClient, expected: dict[str, float]) -> None:
    # RabbitMQ updates the length of a quorum queue with a delay.
    wait_until(lambda: read_metrics(client) == expected)


def test_while_the_broker_is_away_the_other_numbers_are_shown(
    make_app: MakeApp, log_lines: LogLines
) -> None:
    app = make_app(broker_url="amqp://guest:guest@127.0.0.1:1//")

    assert read_metrics(app.test_client()) == {}

    (line,) = [line for line in log_lines if line["message"] == "queue metrics unavailable"]
    assert line["error.type"]


def test_a_silent_broker_delays_no_request() -> None:
    released = Event()

    def depths() -> tuple[int, int]:
        released.wait(HANG_TIMEOUT_SECONDS)
        return 0, 0

    metrics = QueueMetrics(depths, 0.01)

    assert [*metrics.collect(), *metrics.collect()] == []
    released.set()
