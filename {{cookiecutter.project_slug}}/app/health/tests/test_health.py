import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core import errors
from app.core.checks import ReadinessChecks, readiness_checks
from app.health.routes import started
from tests.waiting import HANG_TIMEOUT_SECONDS


@pytest.fixture(autouse=True)
def _as_if_new(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test with an application without dependencies."""
    monkeypatch.setitem(
        app.extensions, readiness_checks.name, ReadinessChecks(HANG_TIMEOUT_SECONDS)
    )
    monkeypatch.setitem(app.extensions, started.name, value=False)


def _down() -> None:
    raise ConnectionError


def test_a_live_process_reports_that_it_is_alive_even_when_its_dependencies_are_down(
    app: Flask, client: FlaskClient
) -> None:
    readiness_checks.of(app).probes["ledger"] = _down

    assert client.get("/health/live").json == {"status": "ok"}


def test_ready_names_what_is_down(app: Flask, client: FlaskClient) -> None:
    readiness_checks.of(app).probes.update(ledger=_down, mail=lambda: None)

    response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.mimetype == errors.MEDIA_TYPE
    assert response.json is not None
    assert response.json["code"] == "dependency_unavailable"
    assert response.json["checks"]["ledger"] == "down"
    assert response.json["checks"]["mail"] == "ok"


def test_readiness_does_not_wait_for_a_hanging_check_nor_start_it_twice(
    app: Flask, client: FlaskClient
) -> None:
    readiness_checks.of(app).timeout_seconds = 0.2
    queries: list[int] = []
    released = threading.Event()

    def hang() -> None:
        queries.append(1)
        released.wait(HANG_TIMEOUT_SECONDS)

    readiness_checks.of(app).probes["ledger"] = hang

    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/ready").status_code == 503
    assert len(queries) == 1
    released.set()
    readiness_checks.of(app).timeout_seconds = HANG_TIMEOUT_SECONDS
    readiness_checks.of(app).probes["ledger"] = lambda: None
    client.get("/health/ready")
    assert client.get("/health/ready").status_code == 200


def test_startup_passes_once_everything_answered_and_stays_so(
    app: Flask, client: FlaskClient
) -> None:
    readiness_checks.of(app).probes["ledger"] = _down
    assert client.get("/health/startup").status_code == 503

    readiness_checks.of(app).probes["ledger"] = lambda: None
    assert client.get("/health/startup").status_code == 200

    readiness_checks.of(app).probes["ledger"] = _down
    assert client.get("/health/startup").json == {"status": "ok"}
