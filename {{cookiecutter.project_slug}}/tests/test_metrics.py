import contextlib
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


def test_each_application_counts_its_requests_by_route_template_and_status(
    client: FlaskClient, make_app: MakeApp
) -> None:
    client.get("/api/docs")
    before = _counts(client.get("/metrics").text)
    other = client
    client = make_app().test_client()
    client.get("/api/docs")
    client.get("/api/docs")
    client.get("/made-up-1")
    client.get("/made-up-2")
    client.open("/made-up-3", method="BREW")
    client.get("/health/live")

    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    assert _counts(answer.text) == {
        'method="GET",route="/api/docs",status="200"': 2,
        'method="GET",route="_unmatched",status="404"': 2,
        'method="_OTHER",route="_unmatched",status="404"': 1,
    }
    assert _counts(other.get("/metrics").text) == before


def test_to_the_outside_there_is_nothing(client: FlaskClient) -> None:
    callers: list[tuple[str, dict[str, str]]] = [
        ("8.8.8.8", {}),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=10.0.0.1"}),
        ("2606:4700::1111", {}),
        ("", {}),
    ]
    for address, headers in callers:
        answer = client.get("/metrics", environ_base={"REMOTE_ADDR": address}, headers=headers)

        assert answer.status_code == 404, (address, headers)
        assert answer.mimetype == "application/problem+json"


def test_each_start_of_gunicorn_counts_from_zero_and_leaves_nothing(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(metrics.FOLDER, "/somewhere/else")
    monkeypatch.setattr(metrics, "MEMORY", tmp_path)
    server = object()
    metrics.on_starting(server)
    (folder,) = tmp_path.iterdir()
    client.get("/api/docs")
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
def test_under_gunicorn_every_worker_answers_for_all(tmp_path: Path) -> None:
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
        # {% if cookiecutter.rate_limiting %}
        "RATE_LIMIT": "1000000/minute",
        # {% endif %}
    }
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "gunicorn"], cwd=PROJECT, env=environment, stdout=output
        ) as server,
    ):
        try:
            _wait_for(f"{url}/health/live")
            sent = 0
            with ThreadPoolExecutor(12) as callers:
                while len(_workers_that_answered(log)) < 2:
                    list(callers.map(_get, [f"{url}/api/docs"] * 24))
                    sent += 24
                    assert sent < 10_000, "one worker answers everything: nothing is added up"
            _wait_for(f"{url}/metrics", lambda text: sum(_counts(text).values()) == sent)
            totals = {sum(_counts(_get(f"{url}/metrics")).values()) for _ in range(12)}
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=20)

    assert totals == {sent}


def _workers_that_answered(log: Path) -> set[int]:
    lines = [json.loads(line) for line in log.read_bytes().splitlines(keepends=True)[:-1]]
    return {line["process"] for line in lines if line["logger"] == "app.access"}


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  this service's own URL
        text: str = answer.read().decode()
        return text


def _wait_for(url: str, holds: Callable[[str], bool] = bool) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError):
            if holds(_get(url)):
                return
        time.sleep(0.05)
    pytest.fail(f"waited in vain for {url}")
