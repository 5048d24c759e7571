import smtplib
from contextlib import nullcontext

import pytest

from app.core import mail
from app.core.mail import Email, EmailQueue, email_queue
from app.settings import Settings
from conftest import LogLines, MakeApp

EMAIL = Email(None, "Hello", "Ada")


@pytest.fixture
def box() -> EmailQueue:
    settings = {"app_env": "testing", "mail_from": "service@shop.example"}
    return EmailQueue(Settings.model_validate(settings), lambda *_: nullcontext())


def test_a_delivered_email_has_the_message_id_of_its_key(
    box: EmailQueue,
) -> None:
    box.deliver("ada@mail.example", EMAIL, "notice.1")

    (email,) = box.captured
    assert email["To"] == "ada@mail.example"
    assert email["Message-ID"] == "<notice.1@shop.example>"


def test_a_permanent_refusal_is_distinguished_from_a_temporary_one(
    box: EmailQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: dict[Exception, type[Exception]] = {
        smtplib.SMTPDataError(550, b"no such user"): mail.EmailRejected,
        smtplib.SMTPDataError(451, b"busy"): smtplib.SMTPDataError,
        smtplib.SMTPRecipientsRefused({"ada": (550, b"gone")}): mail.EmailRejected,
        smtplib.SMTPRecipientsRefused({"ada": (450, b"busy")}): smtplib.SMTPRecipientsRefused,
        # A wrong password is no fault of the email.
        smtplib.SMTPAuthenticationError(535, b"wrong"): smtplib.SMTPAuthenticationError,
        ConnectionRefusedError(): ConnectionRefusedError,
    }
    for error, expected in errors.items():

        def refuse(_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(box, "_transport", refuse)
        with pytest.raises(expected):
            box.deliver("ada@mail.example", EMAIL, "notice.1")


@pytest.mark.attack
def test_an_address_that_is_no_envelope_is_given_up_at_once(box: EmailQueue) -> None:
    for address in ("=?utf-8?q?eve=40evil.example?=@mail.example", "a..b@mail.example", "a\0@b"):
        with pytest.raises(mail.EmailRejected):
            box.deliver(address, EMAIL, "notice.1")
    assert not box.captured


def test_an_email_beyond_the_limit_of_its_recipient_is_not_sent(
    make_app: MakeApp, log_lines: LogLines
) -> None:
    with make_app(email_recipient_limit=1).app_context():
        box = email_queue.current
        delivered = [
            box.deliver("ada@mail.example", EMAIL, f"notice.{number}") for number in range(2)
        ]

    assert delivered == [True, False]
    assert len(box.captured) == 1
    assert [line["message"] for line in log_lines] == ["email suppressed"]
