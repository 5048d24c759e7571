"""Emails, sent from a separate thread, so that no request waits for a mail server.

They wait in memory, at most MAX_QUEUED of them, and are lost when the process is killed; a user
who misses one requests it again.
# {% if cookiecutter.background_tasks %}
An email that must not be lost is delivered by a task, which waits for the server's reply.
# {% endif %}
"""

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from threading import BoundedSemaphore

import click
from flask import Flask

from app.core import telemetry
from app.core.config import Environment
from app.core.extension import Extension
from app.core.mail.address import domain, normalised
from app.core.mail.recipients import OTHER, EmailCategory, LimitReached, RecipientLimits
from app.core.mail.settings import MailSettings
from app.core.mail.smtp import Server, permanent_error_code

logger = logging.getLogger(__name__)

PROJECT_NAME = "{{cookiecutter.project_name}}"
MAX_QUEUED = 100
MAX_CAPTURED = 100


@dataclass(frozen=True, slots=True)
class Email:
    """An email.

    With `to=None` it is queued but not sent, so that timing does not reveal whether an account
    exists.
    """

    to: str | None
    subject: str
    text: str
    category: EmailCategory = OTHER


class EmailRejected(Exception):  # noqa: N818  the server's reply
    """The email can never be delivered: a 5yz reply (RFC 5321, 4.2.1), or an invalid header."""


Transport = Callable[[EmailMessage], object]
EnforceLimit = Callable[[EmailCategory, str, str], AbstractContextManager[None]]
"""Counts the email that its block sends; raises `LimitReached` if the recipient's limit is reached."""


class EmailQueue:
    """Queues emails and delivers them, one after the other.

    Without a mail server they go to `captured` in tests, and otherwise to the console.
    """

    def __init__(self, settings: MailSettings, enforce_limit: EnforceLimit) -> None:
        self._enforce_limit = enforce_limit
        self.captured: deque[EmailMessage] = deque(maxlen=MAX_CAPTURED)
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="mail")
        self._slots = BoundedSemaphore(MAX_QUEUED)
        self._from = settings.mail_from
        self._transport: Transport = _print
        if settings.mail_url:
            self._transport = Server(settings.mail_url, self._from, settings.mail_ca_file).deliver
        elif settings.app_env is Environment.TESTING:
            self._transport = self.captured.append

    def send(self, email: Email) -> None:
        """Queue an email; if MAX_QUEUED emails wait already, drop it and log an error."""
        if self._slots.acquire(blocking=False):
            self.executor.submit(self._send, email)
        else:
            logger.error("email queue full")

    # {% if cookiecutter.background_tasks %}
    def deliver(self, to: str, email: Email, key: str) -> bool:
        """Send an email now; the same key always gives it the same Message-ID.

        Return whether it was sent: it is not if the recipient's limit is reached.

        Raises:
            EmailRejected: when it can never be delivered; that has been logged.
            OSError: when the server did not accept it this time.

        """
        # A receiver can recognise a duplicate by its Message-ID.
        return self._deliver(to, email, f"<{key}@{domain(self._from)}>")

    # {% endif %}
    def _send(self, email: Email) -> None:
        try:
            if email.to:
                self._deliver(email.to, email, make_msgid(domain=domain(self._from)))
        except EmailRejected:
            pass  # already logged
        except Exception as error:  # noqa: BLE001  the thread pool would hide any error
            # The text of the server's reply may contain the address.
            fields = {telemetry.ERROR_TYPE: type(error).__name__}
            logger.error("email delivery failed", extra=fields)  # noqa: TRY400
        finally:
            self._slots.release()

    def _deliver(self, to: str, email: Email, message_id: str) -> bool:
        """Send one email, unless the recipient's limit is reached; return whether it was sent.

        Raises:
            EmailRejected: when it can never be delivered; that is logged without the address.
            OSError: when the server did not accept it this time.

        """
        try:
            message = self._message(to, email, message_id)
            with self._enforce_limit(email.category, to, message_id):
                self._transport(message)
        except LimitReached:
            logger.warning(
                "email suppressed", extra={telemetry.EMAIL_CATEGORY: email.category.name}
            )
            return False
        except (OSError, ValueError) as error:
            code = permanent_error_code(error)
            if code is None:
                raise
            fields = {telemetry.ERROR_TYPE: type(error).__name__, telemetry.SMTP_CODE: code}
            logger.error("email rejected", extra=fields)  # noqa: TRY400  the traceback holds the address
            raise EmailRejected from None
        return True

    def _message(self, to: str, email: Email, message_id: str) -> EmailMessage:
        """Build the message of an email.

        Raises:
            ValueError: when the address is invalid, or the subject would add a header.

        """
        if normalised(to) != to:  # stored by an older version
            reason = "invalid recipient address"
            raise ValueError(reason)
        # ASCII only: a server need not support 8BITMIME (RFC 6152).
        message = EmailMessage(policy.SMTP.clone(cte_type="7bit"))
        message["From"] = Address(PROJECT_NAME, addr_spec=self._from)
        message["To"] = Address(addr_spec=to)
        message["Subject"] = email.subject
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(email.text)
        return message


def _print(message: EmailMessage) -> None:
    """Print an email to the console in development, so that its links can be followed."""
    click.echo(
        f"\n--- email to {message['To']}: {message['Subject']} ---\n{message.get_content()}---",
        err=True,
    )


email_queue = Extension[EmailQueue]("email_queue")


def init_app(app: Flask, settings: MailSettings) -> None:
    """Give the application an email queue."""
    email_queue.set(app, EmailQueue(settings, RecipientLimits(app, settings).enforce))
