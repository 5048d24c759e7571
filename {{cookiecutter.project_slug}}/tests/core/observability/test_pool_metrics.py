import re
import sqlite3
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from app.core.database import db, reading_engine
from conftest import MakeApp


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return make_app(database_pool_size=2, database_max_overflow=1)


def _pool(app: Flask) -> dict[str, float]:
    text = app.test_client().get("/metrics").text
    return {
        name: float(value)
        for name, value in re.findall(r"^db_pool_(\w+) (\S+)$", text, re.MULTILINE)
    }


def test_connections_are_counted_while_they_are_open_and_while_they_are_used(app: Flask) -> None:
    assert _pool(app) == {"size": 2, "limit": 3, "open": 0, "used": 0}

    with app.app_context(), reading_engine(app).connect(), db.engine.connect():
        assert _pool(app) == {"size": 2, "limit": 3, "open": 2, "used": 2}
        with db.engine.connect():
            assert _pool(app)["open"] == 3
    # What was opened beyond the size is not kept.
    assert _pool(app) == {"size": 2, "limit": 3, "open": 2, "used": 0}

    reading_engine(app).dispose()
    assert _pool(app)["open"] == 0


def test_a_connection_that_breaks_is_not_counted_for_ever(app: Flask) -> None:
    with reading_engine(app).connect() as connection:
        connection.invalidate()
        assert _pool(app)["open"] == 0
        connection.execute(select(1))
        assert _pool(app) == {"size": 2, "limit": 3, "open": 1, "used": 1}

    assert _pool(app)["used"] == 0


def test_a_database_that_goes_away_is_used_by_nobody(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path}/file.db")
    engine = reading_engine(app)
    with engine.connect() as connection:
        connection.invalidate()

    @event.listens_for(engine, "do_connect")
    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError

    for _ in range(3):
        with pytest.raises(OperationalError):
            engine.connect()

    assert _pool(app) == {"size": 5, "limit": 10, "open": 0, "used": 0}
