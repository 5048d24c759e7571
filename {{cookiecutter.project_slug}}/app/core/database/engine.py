"""The engine of an application, and the two doors to it: `reading()` and `writing()`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from flask import Flask, current_app
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.orm import Session

from app.core.database import (  # one line where it fits
    # {% if cookiecutter.database != "sqlite" %}
    disconnects,
    transaction_retries,
    # {% endif %}
    unstorable,
)
from app.core.database.dialects import BACKENDS, SessionLimits, connect_args
from app.core.database.settings import DatabaseSettings
from app.core.database.types import Base

READING = "database.reading"
SETTINGS = "database.settings"
# {% if cookiecutter.background_tasks %}
AFTER_COMMIT = "after_commit"
"""Where a session keeps what is to be done once its transaction is committed."""
# {% endif %}


def engine_options(settings: DatabaseSettings) -> dict[str, Any]:
    """Return what the engine is made with."""
    options: dict[str, Any] = {
        "connect_args": connect_args(settings, settings.url),
        "hide_parameters": True,  # values from requests do not belong in logs
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "pool_pre_ping": True,
    }
    if settings.url == make_url("sqlite://"):
        return options  # lives in one connection, so it has no pool
    return options | {
        "pool_size": settings.database_pool_size,
        "max_overflow": settings.database_max_overflow,
        "pool_timeout": settings.database_pool_timeout_seconds,
        "pool_recycle": settings.database_pool_recycle_seconds,
    }


class _SQLAlchemy(SQLAlchemy):
    """Keeps two views of one pool of connections."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        """Return an engine with transactions; set aside the one without, for `reading`.

        Connections are opened in AUTOCOMMIT and switched for a transaction, not the other way
        round: the switch costs MySQL round trips, and there are more reads than writes.
        """
        reading = super()._make_engine(bind_key, options, app)
        backend = BACKENDS[reading.dialect.name]
        writing = reading.execution_options(isolation_level=backend.isolation_level)
        for prepare in backend.on_connect:
            event.listen(reading, "connect", prepare)
        for begin in backend.on_begin:
            event.listen(writing, "begin", begin)
        # {% if cookiecutter.database != "sqlite" %}
        event.listen(reading, "handle_error", disconnects.replace, retval=True)
        # {% endif %}
        app.extensions[READING] = reading
        unstorable.observe(reading)
        return writing


db = _SQLAlchemy(metadata=Base.metadata, disable_autonaming=True)


@contextmanager
def reading() -> Iterator[Connection]:
    """Open a connection for queries: no transaction, so no round trips besides the queries.

    Each statement sees what is committed when it starts.
    """
    with reading_engine(current_app).connect() as connection:
        yield connection


@contextmanager
def writing() -> Iterator[Session]:
    """Open one transaction with a session; commit it at the end, or roll back on an exception.

    Keep it short: compute before it and answer after it.
    """
    with Session(db.engine, expire_on_commit=False) as session, session.begin():
        yield session
    # {% if cookiecutter.database != "sqlite" %}
    transaction_retries.committed()
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    for act in session.info.pop(AFTER_COMMIT, ()):
        act()
    # {% endif %}


def reading_engine(app: Flask) -> Engine:
    """Return the engine of this application whose connections have no transactions."""
    return cast("Engine", app.extensions[READING])


def migration_engine(app: Flask) -> Engine:
    """Return an engine for migrations: each connection is new, and limits only waits for locks.

    A large table takes longer than a request may, but nobody may wait behind a migration that
    itself waits for a lock. SQLite's foreign keys are not checked, because copying a table would
    delete what refers to it.
    """
    settings = settings_of(app)
    url = reading_engine(app).url
    # {% if cookiecutter.database != "sqlite" %}
    if settings.database_migration_url:
        url = make_url(settings.database_migration_url.get_secret_value())
    # {% endif %}
    limits = SessionLimits(0, settings.database_migration_lock_timeout_seconds)
    given = connect_args(settings, url, limits)
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=given)


def settings_of(app: Flask) -> DatabaseSettings:
    """Return what this application was told about its database."""
    return cast("DatabaseSettings", app.extensions[SETTINGS])


def init_app(app: Flask, settings: DatabaseSettings) -> None:
    """Give the application its own pool of connections and the `flask db` commands."""
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings)
    app.extensions[SETTINGS] = settings
    db.init_app(app)
    migrations = Path(app.root_path).parent / "migrations"
    Migrate(app, db, str(migrations))
