"""Metrics of workers: in this process, and of a real worker on a real broker."""

import atexit
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import Mock
from wsgiref.util import setup_testing_defaults

import marshmallow as ma
import pytest
from celery import signals
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from pydantic import ValidationError

from app.core.observability import multiprocess
from app.core.observability.metrics import metrics
from app.core.schemas import Schema
from app.core.tasks import Message, PermanentFailure, RetryLater, Task, runner, task_metrics, tasks
from app.core.tasks.task_metrics import RunningProcesses, TaskMetricsSettings
from conftest import LogLines, MakeApp
from tests import servers, toy_task
from tests.waiting import HANG_TIMEOUT_SECONDS, wait_until
from tests.workers import Service, serving


class NoteSchema(Schema):
    text = ma.fields.String(required=True)


def act(values: dict[str, str]) -> None:
    for error in (RetryLater(7), OSError(), PermanentFailure()):
        if values["text"] == type(error).__name__:
            raise error


def own_tasks(make_app: MakeApp, run: Callable[[dict[str, str]], None] = act) -> Flask:
    """Return an application that counts the runs of `note`."""
    app = make_app()
    tasks.of(app).message_store = None
    tasks.of(app).add(Task("note", NoteSchema(), run))
    return app


def samples(client: FlaskClient, name: str) -> dict[str, float]:
    """Return the series of a name, by their labels."""
    series = re.compile(name + r"(?:\{(.*)\})? (\S+)")
    found = filter(None, map(series.fullmatch, client.get("/metrics").text.splitlines()))
    return {each[1] or "": float(each[2]) for each in found}


def test_runs_are_counted_by_task_and_outcome(make_app: MakeApp) -> None:
    app = own_tasks(make_app)
    process = tasks.of(app).process

    for text in ("fine", "fine", "RetryLater", "OSError", "PermanentFailure"):
        process(Message("note", {"text": text}))
    process(Message("made up 1", {}))
    process(Message("made up 2", {}))

    runs = samples(app.test_client(), "task_runs_total")
    assert {labels: count for labels, count in runs.items() if count} == {
        'outcome="done",task_name="note"': 2,
        'outcome="postponed",task_name="note"': 1,
        'outcome="failed",task_name="note"': 1,
        'outcome="dead",task_name="note"': 1,
        'outcome="dead",task_name="_unknown"': 2,
    }
    assert samples(app.test_client(), "task_run_duration_seconds_count")['task_name="note"'] == 5


def test_each_task_is_there_from_the_start_with_every_outcome(make_app: MakeApp) -> None:
    app = own_tasks(make_app)
    client = app.test_client()

    runs, took = (
        samples(client, "task_runs_total"),
        samples(client, "task_run_duration_seconds_count"),
    )

    for name in tasks.of(app):
        assert took[f'task_name="{name}"'] == 0
        for outcome in runner.OUTCOMES:
            assert runs[f'outcome="{outcome}",task_name="{name}"'] == 0


def test_a_run_lies_in_the_bucket_of_its_seconds(make_app: MakeApp) -> None:
    app = own_tasks(make_app)

    runner.run_finished.send(app, task="note", outcome="done", seconds=20)

    buckets = samples(app.test_client(), "task_run_duration_seconds_bucket")
    assert [buckets[f'le="{least}",task_name="note"'] for least in ("10.0", "30.0")] == [0, 1]


def test_a_run_is_active_as_long_as_it_lasts(make_app: MakeApp) -> None:
    seen: list[float] = []

    def watch(_: object) -> None:
        # In another thread, as a request of Prometheus is.
        reader = Thread(target=lambda: seen.extend(samples(client, "task_runs_active").values()))
        reader.start()
        reader.join()

    app = own_tasks(make_app, watch)
    client, own = app.test_client(), tasks.of(app)

    own.publish(own.create_message(Task("note", NoteSchema(), print), {"text": "x"}))

    assert seen == [1]
    assert samples(client, "task_runs_active") == {"": 0}


def settings(port: int | None = 1) -> TaskMetricsSettings:
    return TaskMetricsSettings.model_validate({"app_env": "testing", "worker_metrics_port": port})


def test_a_port_is_within_its_range() -> None:
    for port in (0, 65536):
        with pytest.raises(ValidationError):
            settings(port)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Return the folder that a worker creates at its start."""
    kept: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
    monkeypatch.setattr(atexit, "register", lambda act, *values: kept.append((act, values)))
    monkeypatch.setattr(multiprocess, "MEMORY", tmp_path)
    monkeypatch.setenv(multiprocess.FOLDER, "")
    task_metrics.enable_multiprocess_mode(settings())
    (made,) = tmp_path.iterdir()
    yield made
    ((remove, values),) = kept
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "getpid", lambda: 1)
        remove(*values)  # as a forked process does at its exit
    assert made.exists()
    remove(*values)
    assert not made.exists()


def test_without_a_port_nothing_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(multiprocess, "MEMORY", tmp_path)

    task_metrics.enable_multiprocess_mode(settings(None))
    before = [*signals.worker_ready.receivers]
    task_metrics.serve(Flask(__name__), settings(None))

    assert [*tmp_path.iterdir()] == []
    assert multiprocess.folder() is None
    assert signals.worker_ready.receivers == before


def leave(folder: Path, kind: str, pid: int, name: str, value: float) -> None:
    """Leave the files of a process, as prometheus_client writes them."""
    file = MmapedDict(str(folder / f"{kind}_{pid}.db"))  # type: ignore[no-untyped-call]
    key = mmap_key(name.removesuffix("_total"), name, ["task_name"], ["a"], "Anything")
    file.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def gone() -> int:
    """Return the id of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def call(app: Flask, path: str = "/metrics", **environ: str) -> tuple[str, dict[str, str], str]:
    """Call a worker's WSGI application; return status, headers and body."""
    request_environ: dict[str, Any] = {"PATH_INFO": path, "REMOTE_ADDR": "127.0.0.1", **environ}
    setup_testing_defaults(request_environ)
    start = Mock()
    body = task_metrics.make_wsgi_app(metrics.of(app), settings())(request_environ, start)
    status, headers = start.call_args.args
    return status, dict(headers), b"".join(body).decode()


def test_counts_of_processes_remain_after_their_exit(app: Flask, folder: Path, gone: int) -> None:
    for pid in (os.getpid(), gone):
        leave(folder, "counter", pid, "task_runs_total", 2)
        leave(folder, "gauge_livesum", pid, "task_runs_active", 1)

    texts = {call(app)[2] for _ in range(3)}

    assert len(texts) == 1
    assert 'task_runs_total{task_name="a"} 4.0\n' in texts.pop()
    assert {file.name for file in folder.iterdir()} - {"lock"} == {
        f"counter_{os.getpid()}.db",
        "counter_gone.db",
        f"gauge_livesum_{os.getpid()}.db",
    }


def test_only_live_processes_count_as_active(app: Flask, folder: Path, gone: int) -> None:
    for pid in (os.getpid(), gone):
        leave(folder, "gauge_livesum", pid, "task_runs_active", 1)

    assert 'task_runs_active{task_name="a"} 1.0\n' in call(app)[2]
    assert os.getpid() in RunningProcesses()
    assert gone not in RunningProcesses()


def test_two_reads_of_the_folder_run_at_once(
    app: Flask, folder: Path, gone: int, log_lines: LogLines
) -> None:
    leave(folder, "counter", gone, "task_runs_total", 2)

    with multiprocess.readable(folder):
        assert 'task_runs_total{task_name="a"} 2.0\n' in call(app)[2]

    assert (folder / f"counter_{gone}.db").exists()
    assert log_lines == []


def test_a_worker_exposes_metrics_of_tasks_and_of_its_build(make_app: MakeApp) -> None:
    app = make_app(service_version="1.2.3")
    app.test_client().get("/api/docs")

    status, headers, text = call(app)

    assert (status, headers["Content-Type"][:19]) == ("200 OK", "text/plain; version")
    assert 'service_build_info{commit="unknown",version="1.2.3"} 1.0\n' in text
    names = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    assert names == {
        "service_build_info",
        "task_run_duration_seconds",
        "task_runs_active",
        "task_runs_total",
    }
    accepts = {"HTTP_ACCEPT": "application/openmetrics-text;version=1.0.0"}
    assert call(app, **accepts)[2].endswith("# EOF\n")


@pytest.mark.attack
def test_a_worker_exposes_nothing_to_the_outside(app: Flask, subtests: pytest.Subtests) -> None:
    tries = [
        {"REMOTE_ADDR": "8.8.8.8"},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"path": "/"},
        {"REQUEST_METHOD": "POST"},
    ]
    for each in tries:
        with subtests.test(str(each)):
            status, headers, body = call(app, **each)

            assert (status, body) == ("404 Not Found", "")
            assert headers["Server"] == "worker"


def test_files_that_cannot_be_read_are_a_500_and_a_line(
    app: Flask, folder: Path, gone: int, log_lines: LogLines
) -> None:
    (folder / f"counter_{gone}.db").write_bytes(b"broken")

    status, _, body = call(app)

    assert (status, body) == ("500 Internal Server Error", "")
    assert [line["message"] for line in log_lines] == [
        "metrics merge failed",
        "metrics exposition failed",
    ]


@contextmanager
def listening(app: Flask, host: str = "127.0.0.1") -> Iterator[task_metrics.Server]:
    """Run a worker's server at a free port."""
    with task_metrics.Server(host, 0) as server:
        server.set_app(task_metrics.make_wsgi_app(metrics.of(app), settings()))
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()


def send_and_read(server: task_metrics.Server, request: bytes) -> bytes:
    """Send bytes to a server; return its whole response."""
    with socket.create_connection(
        ("127.0.0.1", server.server_port), timeout=HANG_TIMEOUT_SECONDS
    ) as connection:
        connection.sendall(request)
        response = b""
        while part := connection.recv(65536):
            response += part
        return response


def test_a_worker_responds_and_writes_nothing(
    app: Flask, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = task_metrics._Handler  # noqa: SLF001
    assert handler.timeout == task_metrics.CLIENT_TIMEOUT_SECONDS
    monkeypatch.setattr(
        socket, "getfqdn", Mock(side_effect=LookupError)
    )  # a name lookup may take long
    with listening(app) as server:
        fine = send_and_read(server, b"GET /metrics HTTP/1.1\r\nHost: worker\r\n\r\n")
        strange = send_and_read(server, b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n")
        # Set only now: on a busy machine the requests above may take longer.
        monkeypatch.setattr(handler, "timeout", 0.05)
        silent = send_and_read(server, b"GET /metr")

    assert fine.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"task_runs_active 0.0\n" in fine
    assert strange.startswith(b"HTTP/1.0 431 ")
    assert silent == b""
    for response in (fine, strange):
        assert b"Python" not in response
    assert capfd.readouterr() == ("", "")


def test_a_worker_listens_at_addresses_of_either_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in ("server_bind", "server_activate"):  # not every machine has IPv6 and IPv4
        monkeypatch.setattr(task_metrics.Server, step, lambda _: None)

    for host, family in (("::1", socket.AF_INET6), ("127.0.0.1", socket.AF_INET)):
        with task_metrics.Server(host, 0) as server:
            assert server.socket.family is family


@pytest.fixture
def _celerys_signals() -> Iterator[None]:
    connected = (signals.worker_ready, signals.worker_process_init)
    before = [list(signal.receivers) for signal in connected]
    yield
    for signal, receivers in zip(connected, before, strict=True):
        signal.receivers[:] = receivers


@pytest.mark.usefixtures("_celerys_signals")
def test_a_worker_serves_once_it_takes_tasks_and_its_children_let_go(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[task_metrics.Server] = []
    serve_forever = task_metrics.Server.serve_forever

    def noted(server: task_metrics.Server) -> None:
        made.append(server)
        serve_forever(server, 0.01)

    monkeypatch.setattr(task_metrics.Server, "serve_forever", noted)
    port = servers.free_port()
    task_metrics.serve(app, settings(port))
    assert made == []

    signals.worker_ready.send(sender=app)
    wait_until(lambda: made)

    (server,) = made
    assert b" 200 OK" in send_and_read(server, b"GET /metrics HTTP/1.0\r\n\r\n")
    server.shutdown()
    signals.worker_process_init.send(sender=app)
    assert server.socket.fileno() == -1


@pytest.mark.usefixtures("_celerys_signals")
def test_a_port_that_is_taken_is_an_error_in_the_log_and_tasks_are_run_all_the_same(
    app: Flask, log_lines: LogLines
) -> None:
    with listening(app) as first:
        task_metrics.serve(app, settings(first.server_port))
        signals.worker_ready.send(sender=app)

    (line,) = log_lines
    assert (line["level"], line["message"]) == ("ERROR", "metrics server failed to start")
    assert line["server.port"] == first.server_port


@pytest.fixture
def service(make_app: MakeApp, request: pytest.FixtureRequest) -> Iterator[Service]:
    with serving(make_app, request) as started:
        yield started


def folder_of(process: int) -> Path | None:
    """Find the folder of a worker's files, whose names contain process ids."""
    place = multiprocess.MEMORY if multiprocess.MEMORY.exists() else Path(tempfile.gettempdir())
    return next((file.parent for file in place.glob(f"metrics-*/counter_{process}.db")), None)


@pytest.mark.process
def test_a_real_worker_counts_for_its_processes_when_they_are_gone_too(service: Service) -> None:
    port = servers.free_port()
    done = '\ntask_runs_total{outcome="done",task_name="' + toy_task.TASK.name + '"} %.1f\n'

    with service.start(WORKER_METRICS_PORT=str(port)) as working:
        metrics_server = servers.Server(port, working.process, working.log)
        service.request_email()
        metrics_server.wait_for("/metrics", lambda text: done % 1 in text)
        folder = folder_of(working.process.pid)
        (before,) = working.children()
        working.kill_tasks()
        wait_until(lambda: working.children() not in ([], [before]))
        assert done % 1 in metrics_server.get("/metrics")
        assert folder is not None
        assert not [*folder.glob(f"*_{before}.db")]
        service.request_email()
        metrics_server.wait_for("/metrics", lambda text: done % 2 in text)
        metrics_server.wait_for("/metrics", lambda text: "\ntask_runs_active 0.0\n" in text)
        assert "http_server" not in metrics_server.get("/metrics")
        assert working.stop() == 0

    assert not folder.exists()
