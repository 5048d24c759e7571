import base64
import os
import socketserver
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from email import message_from_string, policy
from pathlib import Path
from smtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
)
from threading import Barrier, Thread
from unittest.mock import Mock

import pytest
from pydantic import ValidationError

from app.core import mail
from app.core.mail import Email, EmailQueue, queue, smtp
from app.settings import Settings
from conftest import LogLines
from tests.tls_server import certify

EMAIL = Email("ada@mail.example", "Gr\u00fc\u00dfe", "Hello Ada,\n.\n\u00e4 \u4e0a\n")
LOGIN = base64.b64encode(b"\0user@shop\0pass:word").decode()


@dataclass
class Received:
    """The commands that a mail server received."""

    lines: list[str] = field(default_factory=list)
    email: str = ""
    encrypted: bool = False


def smtp_handler(
    received: Received, context: ssl.SSLContext, *, offers: tuple[str, ...], encrypted: bool
) -> type[socketserver.BaseRequestHandler]:
    """Return the handler of a minimal mail server (RFC 5321)."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection = self.request
            if encrypted:
                connection = context.wrap_socket(connection, server_side=True)
            received.encrypted = encrypted
            stream = connection.makefile("rb")
            connection.sendall(b"220 ready\r\n")
            while line := stream.readline().decode().rstrip("\r\n"):
                received.lines.append(line)
                match line.partition(" ")[0].upper():
                    case "EHLO":
                        lines = [
                            "at your service",
                            *(() if received.encrypted else offers),
                            "AUTH PLAIN",
                        ]
                        reply = [f"250-{each}" for each in lines[:-1]] + [f"250 {lines[-1]}"]
                        connection.sendall("\r\n".join([*reply, ""]).encode())
                    case "STARTTLS":
                        connection.sendall(b"220 go ahead\r\n")
                        connection = context.wrap_socket(connection, server_side=True)
                        stream = connection.makefile("rb")
                        received.encrypted = True
                    case "AUTH":
                        connection.sendall(b"235 welcome\r\n")
                    case "DATA":
                        connection.sendall(b"354 go ahead\r\n")
                        while (part := stream.readline()) != b".\r\n":
                            received.email += part.decode()
                        connection.sendall(b"250 taken\r\n")
                    case "QUIT":
                        connection.sendall(b"221 bye\r\n")
                        connection.close()
                        return
                    case _:
                        connection.sendall(b"250 fine\r\n")

    return Handler


@contextmanager
def server(
    context: ssl.SSLContext, *, offers: tuple[str, ...] = (), encrypted: bool = False
) -> Iterator[tuple[Received, int]]:
    received = Received()
    handler = smtp_handler(received, context, offers=offers, encrypted=encrypted)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as listening:
        Thread(target=listening.serve_forever, args=(0.01,)).start()
        try:
            yield received, listening.server_address[1]
        finally:
            listening.shutdown()


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Trust a certificate for loopback; return the TLS context of its server."""
    files = certify(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    return context


def make_queue(**values: object) -> EmailQueue:
    values = {"app_env": "testing", "mail_from": "service@shop.example", **values}
    return EmailQueue(Settings.model_validate(values), lambda *_: nullcontext())


def send_all(box: EmailQueue, *emails: Email) -> None:
    for email in emails:
        box.send(email)
    box.executor.shutdown()  # waits


def test_an_email_reaches_the_mail_server(certified: ssl.SSLContext, log_lines: LogLines) -> None:
    for scheme, user, offers in (
        ("smtps", "user%40shop:pass%3Aword@", ()),
        ("smtp", "user%40shop:pass%3Aword@", ("STARTTLS",)),
        ("smtp", "", ("STARTTLS",)),
        ("smtp", "", ()),
    ):
        with server(certified, offers=offers, encrypted=scheme == "smtps") as (received, port):
            send_all(make_queue(mail_url=f"{scheme}://{user}127.0.0.1:{port}"), EMAIL)

        assert log_lines == []
        # Commands are case-insensitive (RFC 5321, 2.4), and Python versions differ.
        commands = [line.lower() for line in received.lines]
        assert "rcpt to:<ada@mail.example>" in commands
        assert any(line.startswith("mail from:<service@shop.example>") for line in commands)
        assert received.encrypted is (scheme == "smtps" or bool(offers))
        assert (f"AUTH PLAIN {LOGIN}" in received.lines) is bool(user)
        assert "To: ada@mail.example\r\n" in received.email
        assert "Auto-Submitted: auto-generated\r\n" in received.email
        assert "<service@shop.example>\r\n" in received.email
        assert "@shop.example>\r\n" in received.email.partition("Message-ID:")[2]


def test_an_email_is_ascii_for_servers_that_take_nothing_else() -> None:
    box = make_queue()

    send_all(box, Email("ada@mail.example", "Größe", "Größe\n"))

    (email,) = box.captured
    assert email.as_bytes().isascii()
    assert email["Subject"] == email.get_content().strip() == "Größe"


def test_certificates_are_read_once_and_only_where_they_are_needed(
    certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Patched in this module only: database drivers read certificates on every connection.
    seen = Mock(wraps=ssl)
    monkeypatch.setattr(smtp, "ssl", seen)
    for offers, times in (((), 0), (("STARTTLS",), 1)):
        with server(certified, offers=offers) as (received, port):
            send_all(make_queue(mail_url=f"smtp://127.0.0.1:{port}"), EMAIL, EMAIL)

        assert received.email.count("Message-ID:") == 2
        assert seen.create_default_context.call_count == times


@pytest.mark.attack
def test_a_password_is_never_sent_in_the_clear(
    certified: ssl.SSLContext, log_lines: LogLines
) -> None:
    with server(certified) as (received, port):
        send_all(make_queue(mail_url=f"smtp://user:pass-word@127.0.0.1:{port}"), EMAIL)

    assert not [line for line in received.lines if line.startswith("AUTH")]
    assert received.email == ""
    assert log_lines[-1]["error.type"] == "SMTPNotSupportedError"


@pytest.mark.attack
def test_a_server_that_cannot_prove_its_name_gets_nothing(
    certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with server(certified, offers=("STARTTLS",)) as (received, port):
        # The server's thread gets the failed handshake too.
        monkeypatch.setattr(socketserver.BaseServer, "handle_error", lambda *_: None)
        send_all(make_queue(mail_url=f"smtp://user:pass-word@127.0.0.1:{port}"), EMAIL)

    assert received.email == ""
    assert log_lines[-1]["error.type"] == "SSLCertVerificationError"


def test_a_server_that_is_away_is_logged_without_the_address(log_lines: LogLines) -> None:
    box = make_queue(mail_url="smtp://127.0.0.1:1")

    send_all(box, EMAIL, EMAIL)

    assert [line["message"] for line in log_lines] == ["email delivery failed"] * 2
    assert log_lines[0]["error.type"] == "ConnectionRefusedError"
    assert "ada@" not in str(log_lines)


def test_no_request_waits_for_a_slow_server_and_emails_beyond_the_bound_are_dropped(
    monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    monkeypatch.setattr(queue, "MAX_QUEUED", 2)
    box = make_queue()
    barrier = Barrier(2)
    box.executor.submit(barrier.wait)

    for _ in range(4):
        box.send(EMAIL)

    assert len(box.captured) == 0
    assert [line["message"] for line in log_lines] == ["email queue full"] * 2
    barrier.wait()
    send_all(box)
    assert len(box.captured) == 2


def test_an_email_to_nobody_goes_nowhere() -> None:
    box = make_queue()

    send_all(box, Email(None, "", ""))

    assert not box.captured


def test_development_shows_emails_in_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    send_all(make_queue(app_env="development"), EMAIL)

    output = capsys.readouterr().err
    assert "ada@mail.example" in output
    assert "\u00e4 \u4e0a" in output


@pytest.mark.attack
def test_nobody_writes_a_header_of_their_own(
    subtests: pytest.Subtests, log_lines: LogLines
) -> None:
    for text in (
        "ada@mail.example\r\nBcc: eve@evil.example",
        "ada@mail.example\nBcc: eve@evil.example",
        "ada@mail.example\rBcc: eve@evil.example",
        "ada@mail.example\n",
        "ada@mail.example, eve@evil.example",
        "ada@mail.example;eve@evil.example",
        "Ada <ada@mail.example>",
        '"ada\r\n"@mail.example',
        "ada@mail.example\0",
        "ada@mail.example\u2028Bcc: eve@evil.example",
        "ada@[127.0.0.1]",
        "ada@-mail.example",
        "ada@mail..example",
        "\u212ada@mail.example",  # the Kelvin sign, which is k in lower case
        "ada@m\u00e4il.example",
        f"{'a' * 65}@mail.example",
        f"ada@{'a.' * 130}example",
        "=?utf-8?q?eve=40evil.example?=@mail.example",  # RFC 2047
        "=?utf-8?b?ZXZlQGV2aWwuZXhhbXBsZQ==?=@mail.example",
        "=?utf-8?q?ada=00?=@mail.example",
        "ada+=?us-ascii?q?x?=@mail.example",
        "=?@mail.example",
        "eve%evil.example@mail.example",  # routes (RFC 1123, 5.2.16)
        "evil.example!eve@localhost",
        '"ada"@mail.example',
        '"a@b"@mail.example',
        "ada(a comment)@mail.example",
        "ada..lovelace@mail.example",
        ".ada@mail.example",
        "ada.@mail.example",
        "ada@mail.example.",
        "ada@mail_server.example",
        "ada@127.0.0.1",
        "ada@2130706433",
        "ada@[IPv6:::1]",
        f"ada@{'a' * 64}.example",
        "ada",
        "@mail.example",
        "",
    ):
        with subtests.test(text[:40]):
            assert mail.normalised(text) is None

    # Addresses that pass this check can still be refused before sending.
    for to, subject in (
        ("a@b", "Hello\r\nBcc: eve@evil.example"),
        ("=?utf-8?q?eve=40evil.example?=@mail.example", "Hello"),  # stored by an older version
    ):
        send_all(box := make_queue(), Email(to, subject, ""))
        assert not box.captured
        assert log_lines[-1]["message"] == "email rejected"
        assert log_lines[-1]["error.type"] == "ValueError"
    assert "evil" not in str(log_lines)


@pytest.mark.attack
def test_each_accepted_address_is_the_recipient_of_the_email(
    certified: ssl.SSLContext, subtests: pytest.Subtests
) -> None:
    for address in (
        "ada@mail.example",
        "#$&'*+/=^_`{|}~-@mail.example",
        "a=b?c@mail.example",
        "root@localhost",
        "ada@xn--mil-ioa.example",
        f"{'a' * 64}@mail.example",
        f"{'a.' * 31}a@{'b' * 63}.{'c' * 63}.{'d' * 54}.example",
    ):
        with subtests.test(address[:40]), server(certified) as (received, port):
            assert mail.normalised(address) == address
            send_all(make_queue(mail_url=f"smtp://127.0.0.1:{port}"), Email(address, "Hello", ""))

            (rcpt,) = [line for line in received.lines if line.lower().startswith("rcpt")]
            assert rcpt.partition(":")[2] == f"<{address}>"
            header = message_from_string(received.email, policy=policy.SMTP)["To"]
            assert [each.addr_spec for each in header.addresses] == [address]


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (
            SMTPRecipientsRefused({"ada@mail.example": (550, b"no such user ada@")}),
            "email rejected",
            550,
        ),
        (SMTPSenderRefused(553, b"no", "service@shop.example"), "email rejected", 553),
        (SMTPDataError(554, b"no such user ada@"), "email rejected", 554),
        (SMTPDataError(451, b"ada@ has to wait"), "email delivery failed", None),
        # A wrong password is no fault of the email.
        (SMTPAuthenticationError(535, b"wrong"), "email delivery failed", None),
    ],
)
def test_a_permanent_refusal_is_a_log_line_of_its_own(
    error: Exception,
    message: str,
    code: int | None,
    monkeypatch: pytest.MonkeyPatch,
    log_lines: LogLines,
) -> None:
    box = make_queue()
    monkeypatch.setattr(box, "_transport", Mock(side_effect=error))

    send_all(box, EMAIL)

    (line,) = log_lines
    assert (line["message"], line.get("smtp_code")) == (message, code)
    assert line["error.type"] == type(error).__name__
    assert "ada@" not in str(log_lines)


def test_an_address_has_one_spelling() -> None:
    assert mail.normalised("Ada.O'Hara+shop@MAIL.example") == "ada.o'hara+shop@mail.example"
    assert mail.normalised("root@localhost") == "root@localhost"


def test_a_server_is_named_by_its_url_and_never_printed(production: dict[str, str]) -> None:
    for url in (
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://mail.example:port",
        "smtp://mail.example:0",
        "smtp://mail.example/path",
        "smtp://mail.example?x",
        "smtp://[canary",
    ):
        with pytest.raises(ValidationError, match=r"must be smtp://user:password@host:587"):
            Settings.model_validate({**production, "mail_url": url})
    for name in ("mail_url", "mail_from"):
        without = {key: value for key, value in production.items() if key != name}
        with pytest.raises(ValidationError, match="is required in production"):
            Settings.model_validate(without)
    with pytest.raises(ValidationError, match="must be an email address"):
        Settings.model_validate({**production, "mail_from": "Shop <shop@shop.example>"})
    assert "pass-word" not in str(Settings.model_validate(production).mail_url)


def test_a_mail_server_may_have_an_authority_of_its_own(
    certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    ca_file = os.environ["SSL_CERT_FILE"]
    monkeypatch.delenv("SSL_CERT_FILE")
    for offers, values, delivered in (
        (("STARTTLS",), {}, False),
        (("STARTTLS",), {"mail_ca_file": ca_file}, True),
        ((), {"mail_ca_file": ca_file}, False),  # it would be sent in the clear
    ):
        with server(certified, offers=offers) as (received, port):
            send_all(make_queue(mail_url=f"smtp://127.0.0.1:{port}", **values), EMAIL)

        assert bool(received.email) is delivered
        assert (
            any(line["message"] == "email delivery failed" for line in log_lines) is not delivered
        )
        log_lines.clear()
