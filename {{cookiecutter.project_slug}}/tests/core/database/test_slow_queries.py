import time

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.core.database import reading_engine
from conftest import LogLines, MakeApp


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return make_app(slow_query_ms=200)


@pytest.fixture
def passing_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the next readings of the clock; the last one repeats."""
    times = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: times.pop(0) if len(times) > 1 else times[0])
    return times


def _query(app: Flask, statement: str = "SELECT :value") -> None:
    with reading_engine.of(app).connect() as connection:
        connection.execute(text(statement), {"value": "HUSH"})


def test_a_slow_query_is_logged_without_its_values(
    app: Flask, log_lines: LogLines, passing_time: list[float]
) -> None:
    passing_time[:] = [1.0, 1.199, 2.0, 2.2]
    _query(app)
    assert log_lines == []

    _query(app)

    (line,) = log_lines
    assert (line["level"], line["message"]) == ("WARNING", "slow query")
    assert line["duration"] == 0.2
    assert line["db.query.text"].startswith("SELECT ")
    assert "HUSH" not in str(line)


def test_a_slow_query_that_fails_is_logged_too(
    app: Flask, log_lines: LogLines, passing_time: list[float]
) -> None:
    passing_time[:] = [1.0, 1.3]
    with pytest.raises(Exception, match="nowhere"):
        _query(app, "SELECT :value FROM nowhere")

    assert [line["message"] for line in log_lines] == ["slow query"]


def test_failing_to_connect_is_no_query(make_app: MakeApp, log_lines: LogLines) -> None:
    app = make_app(database_url="sqlite:////nowhere/at/all.db", slow_query_ms=1)

    with pytest.raises(OperationalError):
        reading_engine.of(app).connect()

    assert [line for line in log_lines if line["message"] == "slow query"] == []


def test_zero_disables_slow_query_lines(
    make_app: MakeApp, log_lines: LogLines, passing_time: list[float]
) -> None:
    passing_time[:] = [1.0, 9.0]
    _query(make_app(slow_query_ms=0))

    assert [line for line in log_lines if line["message"] == "slow query"] == []
