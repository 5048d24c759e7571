import re
import sqlite3
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from app.core.database import db, reading_engine
from conftest import MakeApp

SERIES = r'^db_client_connection_(\w+)(?:{state="(\w+)"})? (\S+)$'


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return make_app(database_pool_size=2, database_max_overflow=1)


def _pool(app: Flask) -> dict[str, float]:
    text = app.test_client().get("/metrics").text
    return {
        state or name: float(value) for name, state, value in re.findall(SERIES, text, re.MULTILINE)
    }


def test_connections_are_counted_while_they_are_open_and_while_they_are_used(app: Flask) -> None:
    assert _pool(app) == {"idle_max": 2, "max": 3, "idle": 0, "used": 0}

    with app.app_context(), reading_engine.of(app).connect(), db.engine.connect():
        assert _pool(app) == {"idle_max": 2, "max": 3, "idle": 0, "used": 2}
        with db.engine.connect():
            assert _pool(app)["used"] == 3
    # Overflow connections are closed, not kept.
    assert _pool(app) == {"idle_max": 2, "max": 3, "idle": 2, "used": 0}

    reading_engine.of(app).dispose()
    assert _pool(app)["idle"] == 0


def test_a_connection_that_breaks_is_not_counted_for_ever(app: Flask) -> None:
    with reading_engine.of(app).connect() as connection:
        connection.invalidate()
        assert _pool(app) == {"idle_max": 2, "max": 3, "idle": 0, "used": 0}
        connection.execute(select(1))
        assert _pool(app) == {"idle_max": 2, "max": 3, "idle": 0, "used": 1}

    assert _pool(app) == {"idle_max": 2, "max": 3, "idle": 1, "used": 0}


def test_a_database_that_goes_away_is_used_by_nobody(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path}/file.db")
    engine = reading_engine.of(app)
    with engine.connect() as connection:
        connection.invalidate()

    @event.listens_for(engine, "do_connect")
    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError

    for _ in range(3):
        with pytest.raises(OperationalError):
            engine.connect()

    assert _pool(app) == {"idle_max": 5, "max": 10, "idle": 0, "used": 0}
