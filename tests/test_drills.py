"""The drills notice a broken promise, and a few of them are kept; `make drills` runs them all."""

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
from drills.load import Client, Load, Tally
from drills.post import post_office
from drills.scenarios import DRILLS
from drills.servers import MissingServerError, Nginx, Redis, program
from drills.service import kill_group
from drills.stage import Report
from drills.waiting import HANG_TIMEOUT_SECONDS, wait_until

ROOT = Path(__file__).parents[1]


class Scripted(BaseHTTPRequestHandler):
    """Answers every order and every probe as the test says."""

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


class Granted:
    """A login that needs no service."""

    token = "of nobody"  # noqa: S105 - it opens nothing
    renewals = 0

    def renew(self, _refused: str) -> bool:
        return False


BASKET = {"currency": "EUR", "lines": [{"sku": "TEA", "quantity": 2, "unit_price_cents": 450}]}
GOOD = b'{"id": "1", "total_cents": 900}'
JSON = {"Content-Type": "application/json"}


def placed(status: int, body: bytes, headers: dict[str, str] | None = None) -> Load:
    """Place one order at a server that answers so."""
    answers = {"status": status, "body": body, "headers_to_send": {**JSON, **(headers or {})}}
    handler = type("Handler", (Scripted,), answers)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        load = Load(server.server_address[1], Granted())  # type: ignore[arg-type]  # as a login
        load._place(Client(load.port), "key", BASKET)  # noqa: SLF001 - what its threads do
        server.shutdown()
    return load


def outcome(tally: Tally) -> tuple[int, int, int, int]:
    return tally.right, tally.refused, tally.failed.total(), tally.wrong.total()


def test_each_answer_is_counted_for_what_it_is() -> None:
    assert outcome(placed(201, GOOD).tally) == (1, 0, 0, 0)
    assert outcome(placed(503, b"{}", {"Retry-After": "2"}).tally) == (0, 1, 0, 0)
    assert outcome(placed(503, b"{}").tally) == (0, 0, 1, 0), "a 503 that says not when"
    assert outcome(placed(500, b"{}").tally) == (0, 0, 1, 0)
    assert outcome(placed(0, b"").tally) == (0, 0, 1, 0), "no answer at all"
    assert outcome(placed(201, b'{"id": "1", "total_cents": 901}').tally) == (0, 0, 0, 1)


def test_an_answer_of_the_proxy_alone_is_counted_apart_and_leaves_the_order_open() -> None:
    for status in (502, 504):
        load = placed(status, b"{}", {"Retry-After": "1"})
        assert (load.tally.unsure, load.tally.failed.total()) == (1, 0)
        assert list(load.open) == ["key"]
        assert placed(status, b"{}").tally.failed.total() == 1, "it says not when"
    report = Report("SIGTERM", "soon", unsure=3)
    assert "3 answered 502 or 504 by nginx, with Retry-After" in report.line()


def test_the_shipped_proxy_is_changed_where_its_addresses_and_folders_stand(tmp_path: Path) -> None:
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


def test_an_order_stays_open_until_it_is_acknowledged() -> None:
    assert not placed(201, GOOD).open
    for status in (0, 500, 503):
        assert list(placed(status, b"{}").open) == ["key"]


def test_a_closed_door_is_no_failure() -> None:
    load = placed(201, GOOD)
    load._place(Client(load.port), "other", BASKET)  # noqa: SLF001 - the server is gone

    assert (load.tally.not_accepted, load.tally.failed.total()) == (1, 0)


def test_a_broken_promise_is_said_in_the_line() -> None:
    report = Report(
        "Redis stopped", "nobody notices", sent=3, right=2, failed=Counter(["status 500"])
    )
    assert report.line().endswith("Promise (nobody notices): kept")
    report.hold(kept=False, otherwise="a request failed")
    assert "1 failed otherwise (1 of: status 500)" in report.line()
    assert report.line().endswith("BROKEN: a request failed")


def test_a_promise_of_time_is_held_to_the_second_unless_the_machine_does_other_things() -> None:
    timed, untimed = Report("SIGTERM", "soon"), Report("SIGTERM", "soon", timed=False)
    for report in (timed, untimed):
        report.hold_time(2.5, 2.5, "it stopped")
        assert not report.broken
        report.hold_time(2.6, 2.5, "it stopped")
    assert timed.broken == ["it stopped after 2.6 s, not within 2.5 s"]
    assert not untimed.broken
    untimed.hold_time(HANG_TIMEOUT_SECONDS + 1, 2.5, "it stopped")
    assert untimed.broken


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingServerError, match="no-such-server is not installed"):
        program("no-such-server")


def test_what_does_not_happen_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "HANG_TIMEOUT_SECONDS", 0)
    with pytest.raises(TimeoutError, match="it: not within 0 s"):
        wait_until(lambda: False, "it")


def test_a_server_of_ours_stops_and_starts_on_its_port(tmp_path: Path) -> None:
    try:
        server = Redis(tmp_path)
        server.start()
    except MissingServerError as missing:
        real_servers.absent(str(missing))
    try:
        server.stop()
        assert not server.answers()
        server.start()
        assert server.answers()
    finally:
        server.stop()


def send_email(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, "drill", timeout=HANG_TIMEOUT_SECONDS) as client:
        client.sendmail("a@mail.example", "b@mail.example", "Message-ID: <one@drill>\r\n\r\nx\r\n")


def test_an_email_is_counted_as_often_as_it_is_taken() -> None:
    with post_office() as post:
        send_email(post.server_address[1])
        send_email(post.server_address[1])

        assert (post.taken, post.given_up) == ({"<one@drill>": 2}, 0)


def test_an_email_whose_sender_is_gone_or_cut_off_is_not_taken() -> None:
    with post_office() as post:
        post.hold()
        client = smtplib.SMTP(
            "127.0.0.1", post.server_address[1], "drill", timeout=HANG_TIMEOUT_SECONDS
        )
        client.mail("a@mail.example")
        client.putcmd("DATA")
        client.getreply()
        client.send("Message-ID: <one@drill>\r\n\r\n.\r\n")
        wait_until(lambda: post.held == ["<one@drill>"], "the email is held")
        client.close()
        post.go_on()
        wait_until(lambda: post.given_up == 1, "the email is given up")

        post.hold()
        with ThreadPoolExecutor(1) as sender:
            sending = sender.submit(send_email, post.server_address[1])
            wait_until(lambda: bool(post.held), "the email is held")
            post.go_on(hang_up=True)
        assert isinstance(sending.exception(), smtplib.SMTPServerDisconnected)

        assert (post.taken, post.given_up) == ({}, 2)


def test_a_worker_that_was_killed_keeps_no_connection() -> None:
    """Its processes hold much, which takes the kernel a while to give back."""
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

        # Nobody is left to write: the pipe ends at once.
        assert select.select([leader.stdout], [], [], 0)[0]
        assert not leader.stdout.read()
        leader.stdout.close()


def test_a_name_that_no_drill_has_lists_those_there_are() -> None:
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
