"""The database engine: `reading()` for queries, `writing()` for transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import (  # one line where it fits
    Any,
    # {% if cookiecutter.background_tasks %}
    cast,
    # {% endif %}
)

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (  # one line where it fits
    Connection,
    # {% if cookiecutter.background_tasks %}
    CursorResult,
    # {% endif %}
    Engine,
    NullPool,
    # {% if cookiecutter.background_tasks %}
    Result,
    # {% endif %}
    create_engine,
    event,
    make_url,
)
from sqlalchemy.orm import Session

from app.core.database import (  # one line where it fits
    constraints,
    # {% if cookiecutter.database != "sqlite" %}
    disconnects,
    transaction_retries,
    # {% endif %}
    unstorable,
)
from app.core.database.dialects import BACKENDS, SessionLimits, connect_args
from app.core.database.settings import DatabaseSettings
from app.core.database.types import Base
from app.core.extension import Extension

reading_engine = Extension[Engine]("reading_engine")
"""The application's engine without transactions."""
database_settings = Extension[DatabaseSettings]("database_settings")
# {% if cookiecutter.background_tasks %}
AFTER_COMMIT = "after_commit"
"""The key in `Session.info` of the functions to call after the commit."""
# {% endif %}


def engine_options(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the options of the engine."""
    options: dict[str, Any] = {
        "connect_args": connect_args(settings, settings.url),
        "hide_parameters": True,  # keeps values from requests out of the logs
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "pool_pre_ping": True,
    }
    if settings.url == make_url("sqlite://"):
        return options  # an in-memory database is one connection, so it needs no pool
    return options | {
        "pool_size": settings.database_pool_size,
        "max_overflow": settings.database_max_overflow,
        "pool_timeout": settings.database_pool_timeout_seconds,
        "pool_recycle": settings.database_pool_recycle_seconds,
    }


class _SQLAlchemy(SQLAlchemy):
    """Provides two engines on one connection pool: with transactions, and without."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        """Return the engine with transactions; store the one without them for `reading`.

        Connections are opened in AUTOCOMMIT and switched for a transaction, not the other way
        round: the switch costs round trips on MySQL, and there are more reads than writes.
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
        event.listen(reading, "handle_error", constraints.name_violation, retval=True)
        reading_engine.set(app, reading)
        unstorable.observe(reading)
        return writing


db = _SQLAlchemy(metadata=Base.metadata, disable_autonaming=True)


@contextmanager
def reading() -> Iterator[Connection]:
    """Open a connection for queries. Without a transaction there are no extra round trips.

    Each statement sees the data that is committed when the statement starts.
    """
    with reading_engine.current.connect() as connection:
        yield connection


@contextmanager
def writing() -> Iterator[Session]:
    """Open a session with one transaction; commit it at the end, or roll back on an exception.

    Keep the transaction short: compute before it, and build the response after it.
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


# {% if cookiecutter.background_tasks %}
def affected(result: Result[Any]) -> int:
    """Return how many rows an UPDATE or DELETE has changed."""
    return cast("CursorResult[Any]", result).rowcount


# {% endif %}
def migration_engine(app: Flask) -> Engine:
    """Return an engine for migrations: no pool, and no time limit except for waiting for locks.

    Migrating a large table may take longer than a request is allowed to. The wait for a lock is
    limited, because other queries queue behind a migration that waits for one. SQLite's foreign
    keys are not enforced: a migration replaces a table by a copy, which would delete the rows
    that refer to it.
    """
    settings = database_settings.of(app)
    url = reading_engine.of(app).url
    # {% if cookiecutter.database != "sqlite" %}
    if settings.database_migration_url:
        url = make_url(settings.database_migration_url.get_secret_value())
    # {% endif %}
    limits = SessionLimits(0, settings.database_migration_lock_timeout_seconds)
    arguments = connect_args(settings, url, limits)
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)


def init_app(app: Flask, settings: DatabaseSettings) -> None:
    """Set up the application's connection pool and the `flask db` commands."""
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings)
    database_settings.set(app, settings)
    db.init_app(app)
    migrations = Path(app.root_path).parent / "migrations"
    Migrate(app, db, str(migrations))
