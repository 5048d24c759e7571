from collections import deque
from email.message import EmailMessage
from smtplib import SMTPDataError

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.api import PREFIX
from app.core.mail import email_queue
from app.core.tasks import BrokerUnavailable, Message, tasks
from app.core.tasks.runner import DEAD
from conftest import LogLines, MakeApp, body

URL = f"{PREFIX}/quotes"
BASKET = {
    "currency": "EUR",
    "lines": [{"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450}],
    "email": "ada@mail.example",
}


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    tasks.of(app).message_store = None  # as in services without a database
    return app


@pytest.fixture
def post(app: Flask) -> deque[EmailMessage]:
    """Return the emails sent during the test."""
    kept = email_queue.of(app).captured
    kept.clear()
    return kept


def test_a_quote_is_sent_to_the_address_of_the_request(
    client: FlaskClient, post: deque[EmailMessage]
) -> None:
    response = client.post(URL, json=BASKET)

    assert response.status_code == 200
    assert "email" not in body(response)
    (email,) = post
    assert email["To"] == "ada@mail.example"
    assert "2 x TEA-100: 9.00 EUR" in email.get_content()
    assert email["Message-ID"].startswith("<quote.")


def test_without_an_address_nothing_is_sent(client: FlaskClient, post: deque[EmailMessage]) -> None:
    client.post(URL, json={**BASKET, "email": "Ada"})
    del (basket := BASKET.copy())["email"]

    assert client.post(URL, json=basket).status_code == 200
    assert not post


@pytest.mark.attack
def test_nobody_floods_a_mailbox_with_quotes(
    client: FlaskClient, post: deque[EmailMessage], log_lines: LogLines
) -> None:
    flooded = {**BASKET, "email": "flooded@mail.example"}

    responses = [client.post(URL, json=flooded) for _ in range(20)]

    assert {response.status_code for response in responses} == {200}
    assert len(post) == 6
    assert [line["message"] for line in log_lines].count("email suppressed") == 14


def test_a_broker_that_is_away_is_a_503_and_nothing_is_pretended(
    app: Flask, client: FlaskClient, post: deque[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Message) -> None:
        raise BrokerUnavailable(headers={"Retry-After": "2"})

    monkeypatch.setattr(tasks.of(app), "publisher", away)

    response = client.post(URL, json=BASKET)

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "2"
    assert body(response)["code"] == "broker_unavailable"
    assert not post


def test_an_email_that_is_refused_is_given_up(
    app: Flask, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    made: list[Message] = []
    monkeypatch.setattr(tasks.of(app), "publisher", made.append)
    app.test_client().post(URL, json=BASKET)

    def refuse(*_: object) -> None:
        raise SMTPDataError(550, b"no such user")

    monkeypatch.setattr(email_queue.of(app), "_transport", refuse)

    assert tasks.of(app).process(made[0]) == DEAD
    assert "ada@" not in str(log_lines)
