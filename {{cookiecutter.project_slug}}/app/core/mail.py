"""Letters: sent by a thread of their own, so that no request waits for a mail server.

They wait in memory, a bounded number of them, and are lost when the process is killed; whoever
misses one asks again.
# {% if cookiecutter.background_tasks %}
What must not be lost is delivered by a task, which waits for the server's word.
# {% endif %}
"""

import contextlib
import logging
import re
import smtplib
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from functools import cached_property
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, cast
from urllib.parse import SplitResult, unquote

import click
from flask import Flask, current_app
from marshmallow import ValidationError, fields
from pydantic import Field, ValidationInfo, field_validator

from app.core.config import Environment, required_in_production
from app.core.recipients import OTHER, LimitReached, Recipients, RecipientSettings, Share
from app.core.secret_url import SecretURL
from app.core.tls import CAFile

logger = logging.getLogger(__name__)

NAME = "{{cookiecutter.project_name}}"
DEVELOPMENT_FROM = "service@localhost"
PORTS = {"smtp": 587, "smtps": 465}
SECONDS = 10  # the longest that one answer of the mail server may take
MOST_WAITING = 100
EMAIL_LENGTH = 254  # RFC 5321, erratum 1690
MOST_KEPT = 100
REFUSED = 500  # the first code of those that no further try changes
# RFC 5321, 4.1.2: a Dot-string and a Domain, in ASCII. A quoted local part, a comment and an address
# literal are valid there too, and refused here: they are second spellings of a mailbox. So is an
# encoded word (RFC 2047), which Python's `email` decodes wherever it writes a header, and so are routes:
# a mail server that finds its own name in `user%elsewhere@here` or `elsewhere!user@here` sends it on
# (RFC 1123, 5.2.16; Postfix does by default).
_ENCODED_WORD = r"(?!.*=\?)"
_LENGTH = r"(?=.{3,254}\Z)(?=[^@]{1,64}@)"
_ATOM = r"[a-zA-Z0-9#$&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_NO_NUMBER = r"(?!(?:.*\.)?[0-9]+\Z)"  # no top-level domain is a number (RFC 3696, section 2)
ADDRESS = re.compile(
    rf"{_ENCODED_WORD}{_LENGTH}{_ATOM}(?:\.{_ATOM})*@{_NO_NUMBER}{_LABEL}(?:\.{_LABEL})*"
)
# The same for readers of the API document, whose patterns have no lookahead (RE2): an atom in which
# no ? follows a =, and a last label that is not all digits. The lengths of the parts come with
# `format: email` (RFC 5321, 4.5.3.1).
_OTHERS = r"[a-zA-Z0-9#$&'*+/^_`{|}~-]"
_PLAIN_ATOM = rf"(?:(?:\?|=*{_OTHERS})+=*|=+)"
_ANY_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_LAST_LABEL = r"(?:[0-9]*[a-zA-Z](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?|[0-9]+-[a-zA-Z0-9-]*[a-zA-Z0-9])"
DOCUMENTED = {
    "format": "email",
    "minLength": 3,
    "maxLength": EMAIL_LENGTH,
    "pattern": rf"^{_PLAIN_ATOM}(?:\.{_PLAIN_ATOM})*@(?:{_ANY_LABEL}\.)*{_LAST_LABEL}$",
}


class MailSettings(RecipientSettings):
    """Who sends letters for us, and in whose name."""

    mail_url: SecretURL | None = Field(default=None, validate_default=True)
    mail_ca_file: CAFile = None
    mail_from: str = Field(default="", validate_default=True)

    @field_validator("mail_url")
    @classmethod
    def _a_server(cls, value: SecretURL | None, info: ValidationInfo) -> SecretURL | None:
        required_in_production(value, info)
        if value and not _server(value):
            message = "must be smtp://user:password@host:587 or smtps://user:password@host:465"
            raise ValueError(message)
        return value

    @field_validator("mail_from")
    @classmethod
    def _an_address(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            required_in_production(None, info)
            return DEVELOPMENT_FROM
        if normalised(value) is None:
            message = "must be an e-mail address"
            raise ValueError(message)
        return value


def normalised(email: str) -> str | None:
    """Return the one spelling of an address that is stored; None for what cannot be written to.

    This is the only place that reads an address. Case is ignored in both parts, as all large mail
    servers do (RFC 5321, 2.4 leaves it to the receiving host). ASCII only: a local part beyond it needs
    SMTPUTF8 at every server on the way (RFC 6531), and a domain beyond it has an ASCII form (`xn--`).
    """
    return email.lower() if ADDRESS.fullmatch(email) else None


class EmailField(fields.String):
    """An e-mail address, in the one spelling that is stored."""

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, **options: Any) -> None:  # noqa: ANN401  marshmallow's own options
        """Describe an address in the API document."""
        super().__init__(metadata={**DOCUMENTED, **(metadata or {})}, **options)

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> str:
        address = normalised(super()._deserialize(value, attr, data, **kwargs))
        if address is None:
            message = "Must be an email address in ASCII, such as ada@example.com."
            raise ValidationError(message)
        return address


@dataclass(frozen=True, slots=True)
class Letter:
    """What is written; None for nobody, which takes as long as any other."""

    to: str | None
    subject: str
    text: str
    share: Share = OTHER


class Refused(Exception):  # noqa: N818  it is the server's answer
    """The email can never be delivered: a 5yz reply (RFC 5321, 4.2.1), or no valid header."""


Deliver = Callable[[EmailMessage], object]
Counted = Callable[[Share, str, str], AbstractContextManager[None]]
"""Surrounds the delivery of an email, and raises `LimitReached` instead when the recipient has had enough."""


class Outbox:
    """Takes letters and has them delivered, one after the other."""

    def __init__(self, settings: MailSettings, counted: Counted) -> None:
        """Take who delivers (a mail server, the console or, in tests, nobody) and who counts."""
        self._counted = counted
        self.kept: deque[EmailMessage] = deque(maxlen=MOST_KEPT)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="mail")
        self._room = BoundedSemaphore(MOST_WAITING)
        self._from = settings.mail_from
        self._deliver: Deliver = _print
        if settings.mail_url:
            self._deliver = Server(settings.mail_url, self._from, settings.mail_ca_file).deliver
        elif settings.app_env is Environment.TESTING:
            self._deliver = self.kept.append

    def send(self, letter: Letter) -> None:
        """Take a letter; when too many wait already it is dropped, and the log says so."""
        if self._room.acquire(blocking=False):
            self.thread.submit(self._send, letter)
        else:
            logger.error("letter dropped, because too many wait")

    # {% if cookiecutter.background_tasks %}
    def deliver(self, to: str, letter: Letter, key: str) -> bool:
        """Send a letter now; the key makes it the same letter however often it is sent.

        Return whether it was handed over: not when its recipient has had enough.

        Raises:
            Refused: when it can never be delivered; that has been logged.
            OSError: when it was not taken this time.

        """
        # A receiver that knows this Message-ID can tell that it has the letter already.
        return self._hand_over(to, letter, f"<{key}@{_domain(self._from)}>")

    # {% endif %}
    def _send(self, letter: Letter) -> None:
        try:
            if letter.to:
                self._hand_over(letter.to, letter, make_msgid(domain=_domain(self._from)))
        except Refused:
            pass  # it is logged already
        except Exception as error:  # noqa: BLE001  the next letter must go out whatever this one met
            # The server's own words may repeat the address.
            logger.error("letter not sent", extra={"reason": type(error).__name__})  # noqa: TRY400
        finally:
            self._room.release()

    def _hand_over(self, to: str, letter: Letter, message_id: str) -> bool:
        """Send one email, unless its recipient has had enough; return whether it was sent.

        Raises:
            Refused: when it can never be delivered; that is logged without the address.
            OSError: when it was not taken this time.

        """
        try:
            message = self._message(to, letter, message_id)
            with self._counted(letter.share, to, message_id):
                self._deliver(message)
        except LimitReached:
            logger.warning("email suppressed", extra={"share": letter.share.name})
            return False
        except (OSError, ValueError) as error:
            code = _permanent(error)
            if code is None:
                raise
            words = {"reason": type(error).__name__, "smtp_code": code}
            logger.error("email delivery failed", extra=words)  # noqa: TRY400  it holds the address
            raise Refused from None
        return True

    def _message(self, to: str, letter: Letter, message_id: str) -> EmailMessage:
        """Write an email.

        Raises:
            ValueError: when the address or the subject would become another header.

        """
        if normalised(to) != to:  # stored by an older version
            message = "not an address that this service writes to"
            raise ValueError(message)
        # ASCII alone, as a server need not take more (RFC 6152).
        email = EmailMessage(policy.SMTP.clone(cte_type="7bit"))
        email["From"] = Address(NAME, addr_spec=self._from)
        email["To"] = Address(addr_spec=to)
        email["Subject"] = letter.subject
        email["Date"] = format_datetime(localtime())
        email["Message-ID"] = message_id
        email["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        email.set_content(letter.text)
        return email


def _permanent(error: Exception) -> int | None:
    """Return the reply code of an error that no further try changes, 0 without one; else None."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return None  # the email is not to blame for our password
        case smtplib.SMTPRecipientsRefused():
            code = min(code for code, _ in error.recipients.values())
        case smtplib.SMTPResponseException():
            code = error.smtp_code
        case OSError():  # some of ssl's are a ValueError, too
            return None
        case _:
            return 0
    return code if code >= REFUSED else None


class Server:
    """A mail server."""

    def __init__(self, url: SecretURL, sender: str, ca_file: Path | None = None) -> None:
        """Take its address, in whose name it is spoken to, and the certificates that it leads to."""
        parts = cast("SplitResult", _server(url))
        self._encrypted = parts.scheme == "smtps"
        self._host = str(parts.hostname)
        self._port = parts.port or PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender
        self._ca_file = ca_file

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Which certificates are believed: read once, as that takes longer than a letter."""
        return ssl.create_default_context(cafile=self._ca_file)

    def deliver(self, message: EmailMessage) -> None:
        """Hand a letter over.

        Raises:
            OSError: when the server is away or refuses it, or would take the password in the clear.

        """
        where = (self._host, self._port, _domain(self._sender))
        client = (
            smtplib.SMTP_SSL(*where, timeout=SECONDS, context=self._trust)
            if self._encrypted
            else smtplib.SMTP(*where, timeout=SECONDS)
        )
        try:
            client.ehlo()
            if client.has_extn("starttls"):
                client.starttls(context=self._trust)
            elif (self._user or self._ca_file) and not self._encrypted:
                raise smtplib.SMTPNotSupportedError
            if self._user:
                client.login(self._user, self._password)
            # The envelope is what was checked, and not what a header is read as.
            (recipient,) = message["To"].addresses
            client.send_message(message, self._sender, [recipient.addr_spec])
            # The letter is taken: what the server says to this changes nothing, and is not waited for.
            with contextlib.suppress(OSError):
                client.putcmd("QUIT")
        finally:
            client.close()


def _server(url: SecretURL) -> SplitResult | None:
    """Return the parts of the URL of a mail server, or None for anything else."""
    parts = url.parts(*PORTS)
    rest = parts and (parts.path.strip("/") or parts.query or parts.fragment)
    return None if rest else parts


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _print(message: EmailMessage) -> None:
    """Show a letter to whoever runs the service on a laptop: its links are meant to be followed."""
    click.echo(
        f"\n--- letter to {message['To']}: {message['Subject']} ---\n{message.get_content()}---",
        err=True,
    )


def of_app() -> Outbox:
    """Return the outbox of the current application."""
    return cast("Outbox", current_app.extensions["mail"])


def init_app(app: Flask, settings: MailSettings) -> None:
    """Give the application an outbox."""
    app.extensions["mail"] = Outbox(settings, Recipients(app, settings).counted)
