"""What reaches the server before the application, in pieces and over a real socket pair."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidChunkSize, NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.core import server
from app.core.server import Worker, receive, refuse
from conftest import MakeApp

PROJECT = Path(__file__).parents[1]
SECONDS = 1.0  # that a client has for a request, here
THREADS = 4


class Pair:
    """A connection, seen from both ends."""

    def __init__(self) -> None:
        self.client, self.server = socket.socketpair()
        self.conn = TConn(Config(), self.server, ("", 0), ("", 0))
        self.server.settimeout(None)

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    with closing(Pair()) as pair:
        yield pair


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Return a worker that has no process of its own."""
    for owner, name in ((SocketUnreader, "chunk"), (util, "write_error"), (wsgi, "SERVER")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    Worker.setup()
    monkeypatch.setattr(Worker, "seconds", 0.02, raising=False)
    worker = object.__new__(Worker)
    worker.alive = True
    return worker


@pytest.mark.usefixtures("worker")
def test_a_request_that_arrives_in_time_is_read(pair: Pair) -> None:
    server._request.until = time.monotonic() + 5  # noqa: SLF001  what handle() sets
    pair.client.sendall(b"GET / HTTP/1.1")

    assert receive(SocketUnreader(pair.server)) == b"GET / HTTP/1.1"
    assert pair.server.gettimeout() is None


@pytest.mark.attack
def test_half_a_request_is_cut_off(
    pair: Pair, worker: Worker, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    reader = SocketUnreader(pair.server)

    def trickle(_worker: ThreadWorker, _conn: TConn) -> bool:
        pair.client.sendall(b"GET")
        assert reader.chunk() == b"GET"
        with subtests.test("nothing more is sent"), pytest.raises(NoMoreData):
            reader.chunk()
        pair.client.sendall(b" / HTTP/1.1")
        with subtests.test("more is sent when it is too late"), pytest.raises(NoMoreData):
            reader.chunk()
        pair.client.close()
        return False

    monkeypatch.setattr(ThreadWorker, "handle", trickle)
    pair.conn.data_ready = True

    assert worker.handle(pair.conn) is False
    assert pair.server.fileno() == -1, "left for the thread that accepts connections"
    pair.conn.close(graceful=True)


def test_a_connection_that_goes_on_stays_open(
    pair: Pair, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThreadWorker, "handle", lambda *_: True)
    assert worker.handle(pair.conn) is not True, "a thread waits for a client that says nothing"

    pair.client.sendall(b"GET")
    assert worker.handle(pair.conn) is True
    assert pair.server.fileno() != -1


def test_a_worker_that_stops_waits_a_moment_for_a_request_on_the_way(
    pair: Pair, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThreadWorker, "handle", lambda *_: True)
    worker.alive = False
    client = threading.Timer(0.02, pair.client.sendall, (b"GET",))
    client.start()

    assert worker.handle(pair.conn) is True
    client.join()


@pytest.mark.attack
def test_a_client_that_takes_no_answer_is_let_go(
    pair: Pair, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_worker: ThreadWorker, _request: Request, conn: TConn) -> bool:
        while True:
            conn.sock.sendall(b"x" * 100_000)

    monkeypatch.setattr(ThreadWorker, "handle_request", answer)

    with pytest.raises(NoMoreData):
        worker.handle_request(object.__new__(Request), pair.conn)


@pytest.mark.attack
def test_a_malformed_chunk_is_the_mistake_of_its_sender(
    make_app: MakeApp, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()

    @app.post("/chunks")
    def chunks() -> str:
        raise InvalidChunkSize(b"zz")

    monkeypatch.setattr(worker, "wsgi", app, raising=False)
    monkeypatch.setattr(ThreadWorker, "load_wsgi", lambda _worker: None)
    worker.load_wsgi()

    answer = app.test_client().post("/chunks")
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")


@pytest.mark.attack
def test_what_the_server_refuses_is_a_problem_document_that_repeats_nothing(pair: Pair) -> None:
    refuse(pair.server, 400, "Bad Request", "Invalid Request Line '<script>'")

    answer = http.client.HTTPResponse(pair.client)
    answer.begin()
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(answer.read())
    assert (problem["status"], problem["code"]) == (400, "bad_request")
    assert "script" not in str(problem)


@pytest.fixture
def port() -> Iterator[int]:
    """Start one worker; it must have written no error when it ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    environment = {
        "APP_ENV": "testing",
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        "WEB_THREADS": str(THREADS),
        "REQUEST_SECONDS": str(SECONDS),
        "ALLOWED_HOSTS": "127.0.0.1",
        "LOG_FORMAT": "json",
    }
    kept = {
        name: os.environ[name] for name in ("PATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ
    }
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn"],
        cwd=PROJECT,
        env=kept | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 20
            while not is_alive(port):
                assert time.monotonic() < deadline, "it did not start"
                time.sleep(0.05)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert [line for line in out.splitlines() if json.loads(line)["level"] == "ERROR"] == []


def is_alive(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except (ConnectionRefusedError, TimeoutError):
        return False
    finally:
        connection.close()


def answer_to(port: int, sent: bytes) -> bytes:
    """Return what is answered until the connection is closed, or for three seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as client:
        client.sendall(sent)
        found = b""
        try:
            while part := client.recv(65_536):
                found += part
        except ConnectionResetError:
            pass
        return found


LINE = b"POST /api/v1/quotes HTTP/1.1\r\n"
HOST = b"Host: 127.0.0.1\r\n"
CLOSE = b"Connection: close\r\n"
JSON = b"Content-Type: application/json\r\n"
MALFORMED = {
    "two lengths": LINE + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "length and chunks": LINE
    + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": LINE + HOST + b"Content-Length: -1\r\n\r\n",
    "a length that is none": LINE + HOST + b"Content-Length: 0x2\r\n\r\n{}",
    "chunks twice": LINE + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a chunk of no size": LINE + HOST + CLOSE + JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two hosts": LINE + HOST + b"Host: evil.example\r\n\r\n",
    "a host that is not ours": LINE + CLOSE + b"Host: evil.example\r\n\r\n",
    "no host": LINE + CLOSE + b"\r\n",
    "a long line": b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long header": LINE + HOST + b"X: " + b"a" * 9_000 + b"\r\n\r\n",
    "many headers": LINE + HOST + b"X: a\r\n" * 100 + b"\r\n",
    "a null byte in the line": b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a null byte in a header": LINE + HOST + b"X: a\0b\r\n\r\n",
    "a folded header": LINE + HOST + b"X: a\r\n b\r\n\r\n",
    "a blank before the colon": LINE + b"Host : 127.0.0.1\r\n\r\n",
    "a bare line feed in a header": LINE + HOST + b"X: a\nY: b\r\n\r\n",
    "an unknown version": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n" * 2,
    "another protocol's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.process
@pytest.mark.attack
def test_no_client_keeps_others_out_or_gets_more_than_a_refusal(
    port: int, subtests: pytest.Subtests
) -> None:
    for name, sent in MALFORMED.items():
        with subtests.test(name):
            status = answer_to(port, sent)[:12]
            assert not status or status.startswith(b"HTTP/1.1 4"), status
            assert is_alive(port)

    halves = (LINE + b"Host: 127.0", LINE + HOST + JSON + b"Content-Length: 100\r\n\r\n{")
    waiting = [socket.create_connection(("127.0.0.1", port), timeout=3) for _ in range(2 * THREADS)]
    for number, client in enumerate(waiting[: THREADS - 1]):
        client.sendall(halves[number % 2])
    with subtests.test("a thread is left"):
        began = time.monotonic()
        assert is_alive(port)
        assert time.monotonic() - began < SECONDS
    for client in waiting[THREADS - 1 :]:
        client.sendall(halves[0])
    with subtests.test("all threads wait, and not for long"):
        while not is_alive(port):
            assert time.monotonic() - began < 10 * SECONDS
    for client in waiting:
        client.close()

    with subtests.test("no name of the server"):
        head = answer_to(port, b"GET /health/live HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\nServer: web\r\n")
        assert b"unicorn" not in head
