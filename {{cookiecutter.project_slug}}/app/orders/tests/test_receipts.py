from collections import deque
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from smtplib import SMTPConnectError, SMTPDataError, SMTPRecipientsRefused
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.core.api import PREFIX
from app.core.database import reading, writing
from app.core.mail import email_queue
from app.core.tasks import RetryLater
from app.core.tasks.outbox import OutboxMessage, outbox
from app.orders import receipts
from app.orders.receipts import Receipt
from app.quotes.service import Line
from conftest import LogLines, body
from tests.waiting import HANG_TIMEOUT_SECONDS

URL = f"{PREFIX}/orders"
ADA = "ada@mail.example"
LINES: list[Line] = [
    {"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450},
    {"sku": "CUP-1", "quantity": 1, "unit_price_cents": 1200},
]
BASKET = {"currency": "EUR", "lines": LINES, "email": "Ada@Mail.example"}


@pytest.fixture
def post(app: Flask) -> deque[EmailMessage]:
    """Return the emails sent during the test."""
    kept = email_queue.of(app).captured
    kept.clear()
    return kept


def receipt(app: Flask) -> Any:  # noqa: ANN401  a row
    with app.app_context(), reading() as connection:
        return connection.execute(select(Receipt)).one_or_none()


def waiting(app: Flask) -> list[Any]:
    with app.app_context(), reading() as connection:
        return list(connection.execute(select(OutboxMessage)).all())


def deliver(app: Flask, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(email_queue.of(app), "_transport", refuse)


def test_an_order_with_an_address_sends_one_receipt(
    app: Flask, client: FlaskClient, post: deque[EmailMessage]
) -> None:
    response = client.post(URL, json=BASKET)

    assert response.status_code == 201
    assert "email" not in body(response)
    (email,) = post
    order_id = body(response)["id"]
    assert email["To"] == ADA
    assert email["Message-ID"] == f"<receipt.{order_id}@localhost>"
    assert email.get_content() == (
        f"Order {order_id}\n\n2 x TEA-100: 9.00 EUR\n1 x CUP-1: 12.00 EUR\n\nTotal: 21.00 EUR\n"
    )
    row = receipt(app)
    assert row.sent_at
    assert (row.email, row.erase_at, row.claimed_until) == (None, None, None)
    assert waiting(app) == []


def test_without_an_address_nothing_is_sent(
    app: Flask, client: FlaskClient, post: deque[EmailMessage]
) -> None:
    client.post(URL, json={"currency": "EUR", "lines": LINES})

    assert (list(post), receipt(app)) == ([], None)


def test_an_invalid_email_address_is_refused(client: FlaskClient) -> None:
    response = client.post(URL, json={**BASKET, "email": "ada@mail.example\nBcc: eve@evil.example"})

    assert response.status_code == 422
    assert body(response)["errors"][0]["pointer"] == "#/email"


def test_an_order_that_is_sent_again_has_one_receipt(
    client: FlaskClient, post: deque[EmailMessage]
) -> None:
    key = {"Idempotency-Key": "5f0c9a52-6a0e-4f57-9d3f-0c9f2b6f2a7e"}

    responses = [client.post(URL, json=BASKET, headers=key) for _ in range(2)]

    assert [response.status_code for response in responses] == [201, 201]
    assert len(post) == 1
    other = client.post(URL, json={**BASKET, "email": "eve@mail.example"}, headers=key)
    assert other.status_code == 422


@pytest.mark.attack
def test_nobody_floods_a_mailbox_with_receipts(
    app: Flask, client: FlaskClient, post: deque[EmailMessage], log_lines: LogLines
) -> None:
    responses = [client.post(URL, json=BASKET) for _ in range(20)]

    assert {response.status_code for response in responses} == {201}
    assert len(post) == 6
    assert [line["message"] for line in log_lines].count("email suppressed") == 14
    assert "ada@" not in str(log_lines)
    assert waiting(app) == []
    with app.app_context(), reading() as connection:
        rows = connection.execute(select(Receipt)).all()
    # The addresses of receipts over the limit are erased, too.
    assert {row.email for row in rows} == {None}
    assert sum(row.sent_at is not None for row in rows) == 6


def test_a_task_that_is_run_twice_sends_once(
    app: Flask, client: FlaskClient, post: deque[EmailMessage]
) -> None:
    order_id = UUID(body(client.post(URL, json=BASKET))["id"])

    with app.app_context():
        receipts.send({"order_id": order_id})
        receipts.send({"order_id": UUID(int=0)})

    assert len(post) == 1


def test_a_mail_server_that_is_away_is_tried_again(
    app: Flask, client: FlaskClient, post: deque[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (
        ConnectionRefusedError(),
        SMTPConnectError(451, "busy"),
        SMTPRecipientsRefused({ADA: (450, b"busy")}),
    ):
        with monkeypatch.context() as away:
            deliver(app, away, error)
            assert client.post(URL, json=BASKET).status_code == 201
        (row,) = waiting(app)
        assert row.attempts == 1
        assert receipt(app).email == ADA
        with app.app_context():
            with writing() as session:
                session.execute(update(OutboxMessage).values(due_at=datetime.now(UTC)))
            assert outbox.current.relay() == 1
        assert (len(post), waiting(app)) == (1, [])
        post.clear()
        with app.app_context(), writing() as session:
            session.query(Receipt).delete()


def test_an_email_that_is_refused_is_given_up_and_the_address_erased(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    for error in (
        SMTPDataError(550, b"no such user ada@mail.example"),
        SMTPRecipientsRefused({ADA: (550, b"no such user")}),
    ):
        deliver(app, monkeypatch, error)

        assert client.post(URL, json=BASKET).status_code == 201

        row = receipt(app)
        assert (row.email, row.sent_at) == (None, None)
        assert all(message.died_at for message in waiting(app))
        with app.app_context(), writing() as session:
            session.query(Receipt).delete()
    assert "ada@" not in str(log_lines)


def test_a_run_that_died_keeps_its_claim_until_it_cannot_be_alive(
    app: Flask, client: FlaskClient, post: deque[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        deliver(app, away, ConnectionRefusedError())
        order_id = UUID(body(client.post(URL, json=BASKET))["id"])
    now = datetime.now(UTC)
    with app.app_context():
        with writing() as session:
            session.execute(update(Receipt).values(claimed_until=now + timedelta(hours=1)))

        with pytest.raises(RetryLater) as later:
            receipts.send({"order_id": order_id})
        assert 3_600 - HANG_TIMEOUT_SECONDS < later.value.seconds < 3_602
        assert not post

        with writing() as session:
            session.execute(update(Receipt).values(claimed_until=now))
        receipts.send({"order_id": order_id})
    assert len(post) == 1


def test_an_address_is_not_kept_for_ever(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(app, monkeypatch, ConnectionRefusedError())
    client.post(URL, json=BASKET)
    with app.app_context():
        assert receipts.erase_addresses_before(datetime.now(UTC) - receipts.KEEP) == 0

        with writing() as session:
            session.execute(update(Receipt).values(erase_at=datetime.now(UTC)))
        assert receipts.erase_addresses_before(datetime.now(UTC) - receipts.KEEP) == 1

    assert receipt(app).email is None
