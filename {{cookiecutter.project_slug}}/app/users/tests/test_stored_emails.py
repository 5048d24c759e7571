from datetime import UTC, datetime
from smtplib import SMTPDataError
from uuid import UUID

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.core.api import PREFIX
from app.core.database import reading, writing
from app.core.mail import email_queue
from app.core.tasks.outbox import OutboxMessage, outbox
from app.users import stored_emails
from app.users.stored_emails import AccountEmail
from app.users.tests import PASSWORD, emails, new_address, token
from conftest import LogLines


def register(client: FlaskClient, email: str) -> None:
    response = client.post(f"{PREFIX}/users", json={"email": email, "password": PASSWORD})
    assert response.status_code == 202


def waiting(app: Flask) -> list[str | None]:
    """Return the recipients of emails that have not been sent yet."""
    with app.app_context(), reading() as connection:
        return list(connection.execute(select(AccountEmail.recipient)).scalars())


def refuse(app: Flask, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def deliver(*_: object) -> None:
        raise error

    monkeypatch.setattr(email_queue.of(app), "_transport", deliver)


def test_an_email_waits_in_the_database_until_the_mail_server_takes_it(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = new_address()
    with monkeypatch.context() as away:
        refuse(app, away, ConnectionRefusedError())
        register(client, email)
    assert waiting(app) == [email]

    with app.app_context():
        with writing() as transaction:
            transaction.execute(update(OutboxMessage).values(due_at=datetime.now(UTC)))
        assert outbox.current.relay() == 1

    assert waiting(app) == []
    link = {"token": token(app, email, "verify-email")}
    assert client.post(f"{PREFIX}/auth/email-verification/confirm", json=link).status_code == 204


def test_an_email_that_is_refused_permanently_is_deleted(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    email = new_address()
    refuse(app, monkeypatch, SMTPDataError(550, b"no such user"))

    register(client, email)

    assert waiting(app) == []
    with app.app_context(), reading() as connection:
        assert connection.execute(select(OutboxMessage.died_at)).scalar_one()
    assert email not in str(log_lines)


@pytest.mark.attack
def test_no_message_holds_an_address_or_a_token(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = new_address()
    refuse(app, monkeypatch, ConnectionRefusedError())
    register(client, email)

    with app.app_context(), reading() as connection:
        (message,) = connection.execute(select(OutboxMessage)).all()
        (row,) = connection.execute(select(AccountEmail)).all()
    assert orjson.loads(message.body) == {"email_id": str(row.id)}
    assert "token" not in str(row)


def test_an_email_to_nobody_takes_the_same_way_and_reaches_nobody(
    app: Flask, client: FlaskClient
) -> None:
    email = new_address()

    assert client.post(f"{PREFIX}/auth/password-reset", json={"email": email}).status_code == 202

    assert (waiting(app), emails(app, email)) == ([], [])


def test_a_message_that_is_done_or_too_old_is_not_sent(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        refuse(app, away, ConnectionRefusedError())
        register(client, email := new_address())
    with app.app_context():
        stored_emails.send({"email_id": UUID(int=0)})
        assert stored_emails.delete_before(datetime.now(UTC) - stored_emails.KEEP) == 0
        with writing() as transaction:
            transaction.execute(update(AccountEmail).values(erase_at=datetime.now(UTC)))

        assert stored_emails.delete_before(datetime.now(UTC) - stored_emails.KEEP) == 1

    assert (waiting(app), emails(app, email)) == ([], [])
