"""Liveness probes get a response while all request threads wait."""

import contextlib
import http.client
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.config import InvalidSettings
from app.core.process import liveness
from tests.connections import connection
from tests.servers import free_port, gunicorn
from tests.waiting import HANG_TIMEOUT_SECONDS, wait_until


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(liveness, "_listeners", [])
    port = free_port()
    liveness.listen("127.0.0.1", port)
    servers = liveness.serve()
    yield port
    for server in servers:
        server.shutdown()
        server.server_close()


def probe(port: int, path: str = liveness.PATH, method: str = "GET") -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read(), str(response.headers)


def test_a_live_process_reports_that_it_is_alive(
    port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    status, body, headers = probe(port)

    assert (status, body) == (200, liveness.BODY)
    assert "Python" not in headers
    assert probe(port, "/metrics")[0] == 404
    assert probe(port, method="HEAD")[:2] == (200, b"")
    assert capfd.readouterr() == ("", "")


def test_a_client_that_hangs_up_is_no_error(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    server = liveness.LivenessServer(socket.socket())
    server.handle_error(None, None)
    server.server_close()

    assert probe(port)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_without_a_port_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "_listeners", [])

    liveness.listen("127.0.0.1", None)

    assert liveness.serve() == []


def test_a_port_that_is_taken_is_named() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(InvalidSettings, match="LIVENESS_PORT: cannot be opened: Address already"),
    ):
        liveness.listen("127.0.0.1", taken.getsockname()[1])


def test_both_kinds_of_addresses_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "_listeners", [])
    port = free_port()
    try:
        liveness.listen("::", port)
    except InvalidSettings:
        pytest.skip("this machine has no IPv6")
    (server,) = liveness.serve()

    assert probe(port)[0] == 200
    server.shutdown()
    server.server_close()


def test_a_restart_comes_after_gunicorns_own_repair_and_never_before_a_start() -> None:
    fails_for = (liveness.FAILURE_THRESHOLD - 1) * liveness.PERIOD_SECONDS

    assert fails_for >= liveness.WORKER_TIMEOUT_SECONDS + liveness.START_SECONDS
    assert liveness.TIMEOUT_SECONDS < liveness.PERIOD_SECONDS


@pytest.mark.process
def test_it_responds_while_every_thread_waits_and_after_a_reload(tmp_path: Path) -> None:
    own = free_port()
    settings = {"LIVENESS_PORT": str(own), "WEB_CONCURRENCY": "1", "WEB_THREADS": "1"}
    with gunicorn(tmp_path, **settings) as server:
        with connection(server.port) as slow:
            slow.send(b"GET /")  # the only thread waits for the rest of the request
            assert probe(own)[0] == 200
            slow.send(b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            slow.read_response()
        (before,) = server.workers()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.workers() and before not in server.workers())
        assert probe(own)[0] == 200
