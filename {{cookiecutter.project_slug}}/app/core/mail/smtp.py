"""Sends an email to a mail server (RFC 5321)."""

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
TIMEOUT_SECONDS = 10  # for each reply of the mail server
PERMANENT_ERROR = 500  # the first of the 5yz reply codes


def permanent_error_code(error: Exception) -> int | None:
    """Return the reply code of a permanent error, 0 if it has none; None if a retry may help."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return None  # our password is at fault, not the email
        case smtplib.SMTPRecipientsRefused():
            code = min(code for code, _ in error.recipients.values())
        case smtplib.SMTPResponseException():
            code = error.smtp_code
        case OSError():  # some of ssl's errors are also a ValueError
            return None
        case _:
            return 0
    return code if code >= PERMANENT_ERROR else None


class Server:
    """A mail server that sends emails from one address, `sender`."""

    def __init__(self, url: SecretURL, sender: str, ca_file: Path | None = None) -> None:
        parts = cast("SplitResult", server_parts(url))
        self._encrypted = parts.scheme == "smtps"
        self._host = str(parts.hostname)
        self._port = parts.port or PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender
        self._ca_file = ca_file

    @cached_property
    def _tls_context(self) -> ssl.SSLContext:
        """The TLS context, made once because reading the CAs takes longer than sending an email."""
        return ssl.create_default_context(cafile=self._ca_file)

    def deliver(self, message: EmailMessage) -> None:
        """Send an email.

        Raises:
            OSError: when the server is unavailable or refuses the email, or offers no TLS although
                there is a user or a CA file.

        """
        where = (self._host, self._port, domain(self._sender))
        client = (
            smtplib.SMTP_SSL(*where, timeout=TIMEOUT_SECONDS, context=self._tls_context)
            if self._encrypted
            else smtplib.SMTP(*where, timeout=TIMEOUT_SECONDS)
        )
        try:
            client.ehlo()
            if client.has_extn("starttls"):
                client.starttls(context=self._tls_context)
            elif (self._user or self._ca_file) and not self._encrypted:
                raise smtplib.SMTPNotSupportedError
            if self._user:
                client.login(self._user, self._password)
            # Pass the validated address: smtplib would parse the text of the header again.
            (recipient,) = message["To"].addresses
            client.send_message(message, self._sender, [recipient.addr_spec])
            # The server has accepted the email, so its reply to QUIT is not awaited.
            with contextlib.suppress(OSError):
                client.putcmd("QUIT")
        finally:
            client.close()


def server_parts(url: SecretURL) -> SplitResult | None:
    """Return the parts of a mail server's URL, or None if it is not one."""
    parts = url.parts(*PORTS)
    rest = parts and (parts.path.strip("/") or parts.query or parts.fragment)
    return None if rest else parts
