import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from unittest.mock import Mock

import pytest
from flask.testing import FlaskClient

from app.core import metrics
from conftest import MakeApp

PROJECT = Path(__file__).parents[1]
COUNT = r"^http_server_request_duration_seconds_count\{(.*)\} ([\d.]+)$"


def _counts(text: str) -> dict[str, float]:
    return {labels: float(count) for labels, count in re.findall(COUNT, text, re.MULTILINE)}


def test_requests_are_counted_by_route_template_and_status(make_app: MakeApp) -> None:
    client = make_app().test_client()
    client.get("/api/openapi.json")
    client.get("/api/openapi.json")
    client.get("/made-up-1")
    client.get("/made-up-2")
    client.open("/made-up-3", method="BREW")
    client.get("/health/live")

    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    assert _counts(answer.text) == {
        'method="GET",route="/api/openapi.json",status="200"': 2,
        'method="GET",route="_unmatched",status="404"': 2,
        'method="_OTHER",route="_unmatched",status="404"': 1,
    }


def test_applications_in_one_process_count_apart(client: FlaskClient, make_app: MakeApp) -> None:
    before = _counts(client.get("/metrics").text)
    make_app().test_client().get("/api/openapi.json")

    assert _counts(client.get("/metrics").text) == before


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("8.8.8.8", {}),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=10.0.0.1"}),
        ("2606:4700::1111", {}),
        ("", {}),
    ],
)
def test_to_the_outside_there_is_nothing(
    client: FlaskClient, address: str, headers: dict[str, str]
) -> None:
    answer = client.get("/metrics", environ_base={"REMOTE_ADDR": address}, headers=headers)

    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"


def test_each_start_of_gunicorn_counts_from_zero_and_leaves_nothing(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(metrics.FOLDER, "/somewhere/else")
    monkeypatch.setattr(metrics, "MEMORY", tmp_path)
    server = object()
    metrics.on_starting(server)
    (folder,) = tmp_path.iterdir()
    client.get("/api/openapi.json")
    # The folder holds the files of workers, and this process is none.
    assert _counts(client.get("/metrics").text) == {}

    (folder / "gauge_livesum_4711.db").touch()
    (folder / "histogram_4711.db").touch()
    metrics.child_exit(server, Mock(pid=4711))
    assert [file.name for file in folder.iterdir()] == ["histogram_4711.db"]

    metrics.on_exit(server)
    assert list(tmp_path.iterdir()) == []


def test_without_memory_the_temporary_folder_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(metrics, "MEMORY", tmp_path / "missing")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(metrics.FOLDER, "")

    metrics.on_starting(Mock())

    assert [str(folder) for folder in tmp_path.iterdir()] == [os.environ[metrics.FOLDER]]


@pytest.mark.process
def test_under_gunicorn_every_worker_answers_for_all() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "APP_ENV": "testing",
        "PORT": str(port),
        "WEB_CONCURRENCY": "3",
        "LOG_FORMAT": "json",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            _wait_for(f"{url}/health/live")
            for _ in range(60):
                _get(f"{url}/api/openapi.json")
            totals = {sum(_counts(_get(f"{url}/metrics")).values()) for _ in range(12)}
        finally:
            server.send_signal(signal.SIGTERM)
            out, _ = server.communicate(timeout=20)

    assert totals == {60.0}
    lines = [json.loads(line) for line in out.splitlines()]
    served = {line["process"] for line in lines if line["logger"] == "app.access"}
    assert len(served) > 1, "one worker answered everything: nothing was added up"


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  this service's own URL
        text: str = answer.read().decode()
        return text


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            _get(url)
        except urllib.error.URLError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
