import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from flask import Flask
from flask.testing import FlaskClient

from app.core.database import writing
from app.core.tasks.outbox import OutboxMessage, retry_dead_letters
from conftest import LogLines, MakeApp
from tests.waiting import HANG_TIMEOUT_SECONDS

SERIES = r'^outbox_(\w+)(?:{state="(\w+)"})? (\S+)$'


def read_metrics(client: FlaskClient) -> dict[str, float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert "http_server_threads" in response.text
    return {
        state or name: float(value)
        for name, state, value in re.findall(SERIES, response.text, re.MULTILINE)
    }


def store(minutes: int, died_at: datetime | None = None) -> None:
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    with writing() as session:
        session.add(
            OutboxMessage(
                id=uuid4(),
                task="note",
                body="{}",
                headers="{}",
                waiting_since=since,
                due_at=None if died_at else since,
                died_at=died_at,
            )
        )


def test_waiting_and_dead_messages_are_counted_from_the_outbox(
    app: Flask, client: FlaskClient
) -> None:
    assert read_metrics(client) == {"waiting": 0, "oldest_age_seconds": 0, "dead": 0}

    with app.app_context():
        store(1)
        store(3)
        store(60, died_at=datetime.now(UTC))
    found = read_metrics(client)

    assert 180 <= found["oldest_age_seconds"] < 180 + HANG_TIMEOUT_SECONDS
    assert (found["waiting"], found["dead"]) == (2, 1)


def test_a_dead_letter_that_is_retried_begins_to_wait(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        store(60, died_at=datetime.now(UTC))
        retry_dead_letters()
    found = read_metrics(client)

    assert (found["waiting"], found["dead"]) == (1, 0)
    assert found["oldest_age_seconds"] < HANG_TIMEOUT_SECONDS


def test_while_the_database_is_away_the_other_numbers_are_shown(
    make_app: MakeApp, log_lines: LogLines
) -> None:
    # {% if cookiecutter.database == "postgresql" %}
    away = "postgresql://service@127.0.0.1:1/service"
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    away = "mysql://service@127.0.0.1:1/service"
    # {% endif %}
    # {% if cookiecutter.database == "sqlite" %}
    away = "sqlite:////nowhere/service.db"
    # {% endif %}
    app = make_app(database_url=away)

    assert read_metrics(app.test_client()) == {}

    (line,) = [line for line in log_lines if line["message"] == "outbox metrics unavailable"]
    assert line["error.type"] == "OperationalError"


def test_nobody_waits_for_a_connection_of_the_pool(make_app: MakeApp, database_url: str) -> None:
    app = make_app(
        database_url=database_url,
        database_pool_size=1,
        database_max_overflow=0,
        database_pool_timeout_seconds=0.01,
    )
    with app.app_context(), writing() as session:
        session.connection()
        assert read_metrics(app.test_client())["waiting"] == 0
