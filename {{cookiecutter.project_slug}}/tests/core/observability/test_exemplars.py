import os
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from app.core.observability import exemplars, multiprocess
from app.core.observability.exemplars import Exemplars
from app.core.observability.metrics import DURATION, LABELS
from conftest import LogLines, MakeApp
from tests.servers import gunicorn

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
TRACES = ("4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c")


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return make_app(otel_traces_sampler_arg=0)


def _exemplars(text: str) -> list[tuple[dict[str, str], Any]]:
    """Parse the metrics with prometheus_client's parser."""
    return [
        (sample.labels, sample.exemplar)
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if family.name == DURATION and sample.exemplar
    ]


def _trace(client: FlaskClient, trace: str, flags: str = "01") -> None:
    client.get("/api/docs", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-{flags}"})


def test_a_bucket_shows_the_last_recorded_trace_in_it(client: FlaskClient) -> None:
    for trace in TRACES:
        for _ in range(20):
            _trace(client, trace)

    _trace(client, "a" * 32, "00")

    found = _exemplars(client.get("/metrics", headers=OPENMETRICS).text)

    assert "a" * 32 not in {exemplar.labels["trace_id"] for _, exemplar in found}
    assert TRACES[1] in {exemplar.labels["trace_id"] for _, exemplar in found}
    for labels, exemplar in found:
        assert [labels[name] for name in LABELS] == ["GET", "/api/docs", "200"]
        assert 0 < exemplar.value <= float(labels["le"])
        assert exemplar.timestamp
    assert "trace_id" not in client.get("/metrics").text


def test_with_tracing_off_there_are_no_exemplars(make_app: MakeApp) -> None:
    client = make_app(otel_sdk_disabled=True).test_client()
    _trace(client, TRACES[0])

    assert _exemplars(client.get("/metrics", headers=OPENMETRICS).text) == []


def test_workers_write_their_exemplars_to_files_periodically(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(multiprocess.FOLDER, str(tmp_path))
    monkeypatch.setattr(exemplars, "WRITE_SECONDS", 60)
    _trace(client, TRACES[0])

    (file,) = tmp_path.iterdir()
    assert file.name == f"exemplars_{os.getpid()}.json"
    written = file.read_text()
    assert TRACES[0] in written
    _trace(client, TRACES[1])
    assert file.read_text() == written
    assert client.get("/metrics", headers=OPENMETRICS).status_code == 200


def test_a_failed_write_of_exemplars_neither_fails_nor_delays_a_request(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    monkeypatch.setenv(multiprocess.FOLDER, str(tmp_path / "gone"))
    client = make_app().test_client()
    assert client.get("/api/docs").status_code == 200
    assert [
        line["error.type"] for line in log_lines if line["message"] == "exemplars write failed"
    ] == ["FileNotFoundError"]

    kept = Exemplars()
    kept._writing.acquire()  # noqa: SLF001  another thread writes
    kept._write(tmp_path / "exemplars_1.json")  # noqa: SLF001
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_under_gunicorn_every_worker_exposes_the_exemplars_of_all(tmp_path: Path) -> None:
    with gunicorn(tmp_path, WEB_CONCURRENCY="2") as server:
        for _ in range(20):
            server.get("/api/docs", traceparent=f"00-{TRACES[0]}-00f067aa0ba902b7-01")
        server.wait_for("/metrics", lambda text: re.search("_count.* 20.0$", text, re.MULTILINE))
        texts = [server.get("/metrics", **OPENMETRICS) for _ in range(12)]

    for text in texts:
        found = _exemplars(text)
        assert found
        assert {exemplar.labels["trace_id"] for _, exemplar in found} == {TRACES[0]}
