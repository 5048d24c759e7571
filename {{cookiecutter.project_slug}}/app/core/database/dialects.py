"""The differences between databases: how to open a connection, and whether it can write."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, Insert, Table, insert
from sqlalchemy.engine.interfaces import DBAPIConnection, IsolationLevel

from app.core.database import (  # one line where it fits
    database_url,
    # {% if cookiecutter.database == "mysql" %}
    mysql_numbers,
    # {% endif %}
    # {% if cookiecutter.database == "postgresql" %}
    postgresql_inserts,
    # {% endif %}
)
from app.core.database.settings import DatabaseSettings


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The time limits for statements on a connection."""

    statement_ms: int
    """0: no limit."""
    lock_seconds: int | None = None
    """How long a statement waits for a lock; None: as long as the statement may take."""


# {% if cookiecutter.database == "postgresql" %}
def _postgresql(settings: DatabaseSettings, limits: SessionLimits) -> dict[str, object]:
    arguments: dict[str, object] = {
        # Used when neither the URL nor PGAPPNAME sets a name.
        "fallback_application_name": settings.service_name,
        "connect_timeout": settings.database_connect_timeout_seconds,
        # Detects a server that vanished without closing the connection; the default takes hours.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": settings.database_statement_timeout_ms
        + 1_000 * settings.database_connect_timeout_seconds,
    }
    pooled = settings.database_transaction_pooling
    prepares = settings.database_prepared_statements
    if not (not pooled if prepares is None else prepares):
        arguments["prepare_threshold"] = None
    if pooled and limits.lock_seconds is None:
        return arguments  # a pooler rejects `options`; docs/database.md describes the alternative
    options = {"statement_timeout": limits.statement_ms, "timezone": "UTC"}
    if limits.lock_seconds is not None:
        options["lock_timeout"] = 1_000 * limits.lock_seconds
    flags = " ".join(f"-c {name}={value}" for name, value in options.items())
    arguments["options"] = f"{database_url.options_of_libpq()} {flags}".strip()
    return arguments


# {% endif %}
# {% if cookiecutter.database == "mysql" %}
def _mysql(settings: DatabaseSettings, limits: SessionLimits) -> dict[str, object]:
    seconds = limits.statement_ms / 1_000
    arguments: dict[str, object] = {
        "connect_timeout": settings.database_connect_timeout_seconds,
        "conv": mysql_numbers.encoders(),
    }
    if seconds:
        # Detects a server that vanished without closing the connection.
        arguments["read_timeout"] = seconds + settings.database_connect_timeout_seconds
        arguments["write_timeout"] = seconds + settings.database_connect_timeout_seconds
    lock_seconds = limits.lock_seconds or max(1, round(seconds))
    # One statement, because each costs a round trip. MySQL can limit SELECTs only. Each server
    # executes the comment that is meant for it.
    arguments["init_command"] = (
        f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {lock_seconds}"
        f"{f', lock_wait_timeout = {limits.lock_seconds}' if limits.lock_seconds else ''}"
        f"/*!80000 , max_execution_time = {limits.statement_ms} */"
        f"/*M! , max_statement_time = {seconds} */"
    )
    return arguments


# {% endif %}
def _sqlite(settings: DatabaseSettings, limits: SessionLimits) -> dict[str, object]:
    # The time to wait for another writer; SQLite has no time limit for statements.
    del settings
    return {"timeout": limits.lock_seconds or limits.statement_ms / 1_000}


def _set_pragmas(connection: DBAPIConnection, record: object) -> None:
    """Make SQLite enforce foreign keys, and read while another connection writes (WAL)."""
    del record
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def _is_file_writable(connection: Connection) -> bool:
    """Return whether the session and the file system allow SQLite to write.

    The folder is checked too, because SQLite creates the journal there. SQLite opens a file
    read-only if it must, and reports that only at the first write.
    """
    query = "SELECT file FROM pragma_database_list, pragma_query_only WHERE NOT (seq OR query_only)"
    file = connection.exec_driver_sql(query).scalar_one_or_none()
    places = [file, Path(file).parent] if file else []  # no file: in memory
    return file is not None and all(os.access(place, os.W_OK) for place in places)


def _begin_immediate(connection: Connection) -> None:
    """Wait for SQLite's write lock at BEGIN: a reader that starts to write later may be refused."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@dataclass(frozen=True, slots=True)
class Backend:
    """The functions and options of one kind of database."""

    connect_args: Callable[[DatabaseSettings, SessionLimits], dict[str, object]]
    is_writable: Callable[[Connection], bool]
    """Returns whether a session may write."""
    isolation_level: IsolationLevel = "READ COMMITTED"
    on_connect: tuple[Callable[[DBAPIConnection, object], None], ...] = ()
    on_begin: tuple[Callable[[Connection], None], ...] = ()
    insert_if_absent: Callable[[Table], Insert] = insert
    """Returns an INSERT that a transaction survives if the row exists.

    A UniqueViolation ends only the statement, except on PostgreSQL.
    """


# {% if cookiecutter.database != "sqlite" %}
def _by_query(query: str) -> Callable[[Connection], bool]:
    return lambda connection: bool(connection.exec_driver_sql(query).scalar_one())


# {% endif %}
BACKENDS = {
    # {% if cookiecutter.database == "postgresql" %}
    # Every transaction on a standby is read-only, too.
    "postgresql": Backend(
        _postgresql,
        _by_query("SELECT current_setting('transaction_read_only') = 'off'"),
        insert_if_absent=postgresql_inserts.on_conflict_do_nothing,
    ),
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": Backend(
        _mysql,
        # MariaDB and MySQL name the session variable differently.
        _by_query(
            "SELECT @@global.read_only IN ('0', 'OFF') AND NOT @@global.innodb_read_only AND NOT"
            " /*!80000 @@session.transaction_read_only *//*M! @@session.tx_read_only */"
        ),
    ),
    # {% endif %}
    "sqlite": Backend(
        _sqlite,
        _is_file_writable,
        "SERIALIZABLE",
        (_set_pragmas,),
        (_begin_immediate,),
    ),
}


def connect_args(
    settings: DatabaseSettings, url: URL, limits: SessionLimits | None = None
) -> dict[str, object]:
    """Return the driver's arguments for every connection, in addition to those in its URL.

    Requests, migrations, probes and metrics all use them; only their limits differ.
    """
    limits = limits or SessionLimits(settings.database_statement_timeout_ms)
    arguments = BACKENDS[url.get_backend_name()].connect_args(settings, limits)
    return database_url.join(url, arguments)
