"""Hands an email over to a mail server (RFC 5321)."""

import contextlib
import smtplib
import ssl
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from typing import cast
from urllib.parse import SplitResult, unquote

from app.core.config.secret_url import SecretURL
from app.core.mail.address import domain

PORTS = {"smtp": 587, "smtps": 465}
SECONDS = 10  # the longest that one answer of the mail server may take
REFUSED = 500  # the first code of those that no further try changes


def permanent(error: Exception) -> int | None:
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
        parts = cast("SplitResult", server_parts(url))
        self._encrypted = parts.scheme == "smtps"
        self._host = str(parts.hostname)
        self._port = parts.port or PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender
        self._ca_file = ca_file

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Which certificates are believed: read once, as that takes longer than an email."""
        return ssl.create_default_context(cafile=self._ca_file)

    def deliver(self, message: EmailMessage) -> None:
        """Hand an email over.

        Raises:
            OSError: when the server is away or refuses it, or would take the password in the clear.

        """
        where = (self._host, self._port, domain(self._sender))
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
            # The email is taken: what the server says to this changes nothing, and is not waited for.
            with contextlib.suppress(OSError):
                client.putcmd("QUIT")
        finally:
            client.close()


def server_parts(url: SecretURL) -> SplitResult | None:
    """Return the parts of the URL of a mail server, or None for anything else."""
    parts = url.parts(*PORTS)
    rest = parts and (parts.path.strip("/") or parts.query or parts.fragment)
    return None if rest else parts
