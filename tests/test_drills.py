"""The drills detect broken promises; two of them run here, and `make drills` runs all."""

import select
import smtplib
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import real_servers
from combinations import TREE
from drills import waiting
from drills.load import Client, Load, RequestCounts
from drills.mail_server import mail_server
from drills.scenarios import DRILLS
from drills.servers import MissingServerError, Nginx, Redis, program
from drills.service import kill_group
from drills.stage import Report
from drills.waiting import HANG_TIMEOUT_SECONDS, wait_until

ROOT = Path(__file__).parents[1]


class FixedHandler(BaseHTTPRequestHandler):
    """Sends the same response to every request."""

    protocol_version = "HTTP/1.1"
    status, headers_to_send, body = 201, {"Content-Type": "application/json"}, b"{}"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.status:
            self.close_connection = True
            return
        self.send_response(self.status)
        for name, value in {**self.headers_to_send, "Content-Length": str(len(self.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


class FakeLogin:
    """A login without a service."""

    token = "of nobody"  # noqa: S105 - not a real token
    renewals = 0

    def renew(self, _refused: str) -> bool:
        return False


BASKET = {"currency": "EUR", "lines": [{"sku": "TEA", "quantity": 2, "unit_price_cents": 450}]}
ORDER = b'{"id": "1", "total_cents": 900}'
JSON = {"Content-Type": "application/json"}


def placed(status: int, body: bytes, headers: dict[str, str] | None = None) -> Load:
    """Place one order at a server with this response."""
    answers = {"status": status, "body": body, "headers_to_send": {**JSON, **(headers or {})}}
    handler = type("Handler", (FixedHandler,), answers)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        load = Load(server.server_address[1], FakeLogin())  # type: ignore[arg-type]  # in place of a Login
        load._place(Client(load.port), "key", BASKET)  # noqa: SLF001 - one step of its threads
        server.shutdown()
    return load


def outcomes(counts: RequestCounts) -> tuple[int, int, int, int]:
    return counts.correct, counts.refused, counts.failed.total(), counts.incorrect.total()


def test_each_response_is_counted_by_its_outcomes() -> None:
    assert outcomes(placed(201, ORDER).counts) == (1, 0, 0, 0)
    assert outcomes(placed(503, b"{}", {"Retry-After": "2"}).counts) == (0, 1, 0, 0)
    assert outcomes(placed(503, b"{}").counts) == (0, 0, 1, 0), "a 503 without Retry-After"
    assert outcomes(placed(500, b"{}").counts) == (0, 0, 1, 0)
    assert outcomes(placed(0, b"").counts) == (0, 0, 1, 0), "no response"
    assert outcomes(placed(201, b'{"id": "1", "total_cents": 901}').counts) == (0, 0, 0, 1)


def test_an_error_of_the_proxy_is_counted_separately_and_leaves_the_order_unconfirmed() -> None:
    for status in (502, 504):
        load = placed(status, b"{}", {"Retry-After": "1"})
        assert (load.counts.gateway_errors, load.counts.failed.total()) == (1, 0)
        assert list(load.unconfirmed) == ["key"]
        assert placed(status, b"{}").counts.failed.total() == 1, "a response without Retry-After"
    report = Report("SIGTERM", "soon", gateway_errors=3)
    assert "3 got a 502 or 504 of nginx, with Retry-After" in report.line()


def test_only_addresses_and_folders_of_the_shipped_proxy_are_changed(tmp_path: Path) -> None:
    shipped = TREE / "deploy" / "nginx" / "nginx.conf"
    proxy = Nginx(tmp_path, shipped, 4711)
    written = (proxy.folder / "nginx.conf").read_text()
    assert written.count("server 127.0.0.1:4711 ") == 2
    assert f"listen 127.0.0.1:{proxy.port} " in written
    assert "proxy_request_buffering on;" in written

    (other := tmp_path / "other").mkdir()
    (other / "nginx.conf").write_text(shipped.read_text().replace("listen 80 ", "listen 8080 "))
    with pytest.raises(LookupError, match="listen 80"):
        Nginx(other, other / "nginx.conf", 4711)


def test_an_order_is_unconfirmed_until_it_is_acknowledged() -> None:
    assert not placed(201, ORDER).unconfirmed
    for status in (0, 500, 503):
        assert list(placed(status, b"{}").unconfirmed) == ["key"]


def test_a_refused_connection_is_no_failure() -> None:
    load = placed(201, ORDER)
    load._place(Client(load.port), "other", BASKET)  # noqa: SLF001 - the server is gone

    assert (load.counts.connection_refused, load.counts.failed.total()) == (1, 0)


def test_the_report_names_a_broken_promise() -> None:
    report = Report(
        "Redis stopped", "nobody notices", sent=3, correct=2, failed=Counter(["status 500"])
    )
    assert report.line().endswith("Promise (nobody notices): kept")
    report.require(met=False, otherwise="a request failed")
    assert "1 failed otherwise (1 of: status 500)" in report.line()
    assert report.line().endswith("BROKEN: a request failed")


def test_time_limits_are_enforced_unless_the_run_is_untimed() -> None:
    timed, untimed = Report("SIGTERM", "soon"), Report("SIGTERM", "soon", timed=False)
    for report in (timed, untimed):
        report.require_within(2.5, 2.5, "it stopped")
        assert not report.broken
        report.require_within(2.6, 2.5, "it stopped")
    assert timed.broken == ["it stopped after 2.6 s, not within 2.5 s"]
    assert not untimed.broken
    untimed.require_within(HANG_TIMEOUT_SECONDS + 1, 2.5, "it stopped")
    assert untimed.broken


def test_a_missing_program_is_named() -> None:
    with pytest.raises(MissingServerError, match="no-such-server is not installed"):
        program("no-such-server")


def test_a_timeout_names_the_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "HANG_TIMEOUT_SECONDS", 0)
    with pytest.raises(TimeoutError, match="it: not within 0 s"):
        wait_until(lambda: False, "it")


def test_a_private_server_stops_and_starts_on_its_port(tmp_path: Path) -> None:
    try:
        server = Redis(tmp_path)
        server.start()
    except MissingServerError as missing:
        real_servers.absent(str(missing))
    try:
        server.stop()
        assert not server.is_ready()
        server.start()
        assert server.is_ready()
    finally:
        server.stop()


def send_email(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, "drill", timeout=HANG_TIMEOUT_SECONDS) as client:
        client.sendmail("a@mail.example", "b@mail.example", "Message-ID: <one@drill>\r\n\r\nx\r\n")


def test_an_email_is_counted_each_time_it_is_accepted() -> None:
    with mail_server() as mail:
        send_email(mail.server_address[1])
        send_email(mail.server_address[1])

        assert (mail.accepted, mail.abandoned) == ({"<one@drill>": 2}, 0)


def test_an_email_of_a_disconnected_sender_is_not_accepted() -> None:
    with mail_server() as mail:
        mail.pause()
        client = smtplib.SMTP(
            "127.0.0.1", mail.server_address[1], "drill", timeout=HANG_TIMEOUT_SECONDS
        )
        client.mail("a@mail.example")
        client.putcmd("DATA")
        client.getreply()
        client.send("Message-ID: <one@drill>\r\n\r\n.\r\n")
        wait_until(lambda: mail.held == ["<one@drill>"], "the email is held")
        client.close()
        mail.resume()
        wait_until(lambda: mail.abandoned == 1, "the email is abandoned")

        mail.pause()
        with ThreadPoolExecutor(1) as sender:
            sending = sender.submit(send_email, mail.server_address[1])
            wait_until(lambda: bool(mail.held), "the email is held")
            mail.resume(hang_up=True)
        assert isinstance(sending.exception(), smtplib.SMTPServerDisconnected)

        assert (mail.accepted, mail.abandoned) == ({}, 2)


def test_a_killed_worker_has_no_open_connections() -> None:
    """Its processes use much memory, which the kernel needs time to release."""
    code = (
        "import os, time; os.fork(); kept = b'x' * 300_000_000; print(flush=True); time.sleep(60)"
    )
    for _ in range(3):
        leader = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
        )
        assert leader.stdout
        for _process in range(2):
            leader.stdout.readline()

        kill_group(leader)

        # The pipe ends at once, because no process can write to it.
        assert select.select([leader.stdout], [], [], 0)[0]
        assert not leader.stdout.read()
        leader.stdout.close()


def test_an_unknown_name_lists_all_drills() -> None:
    command = [sys.executable, "-m", "drills", "nonsense"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    for drill in DRILLS:
        assert drill.name in done.stdout


@pytest.mark.slow
@pytest.mark.long
def test_two_drills_keep_their_promises() -> None:
    command = [
        sys.executable,
        "-m",
        "drills",
        "--untimed",
        "--postgresql",
        "database stopped",
        "SIGTERM",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    if "skipped: " in done.stdout:
        real_servers.absent(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 drills kept their promise" in done.stdout
