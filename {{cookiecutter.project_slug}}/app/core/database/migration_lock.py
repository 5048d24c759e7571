"""A lock, so that one process migrates at a time; the others wait, then find nothing to do."""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.core.database.settings import DatabaseSettings

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
# {% if cookiecutter.database != "sqlite" %}
TAKE_LOCK = {
    # {% if cookiecutter.database == "postgresql" %}
    # A session-level advisory lock of the database. It is polled, because a session that waits
    # inside a statement would itself block CREATE INDEX CONCURRENTLY.
    "postgresql": f"SELECT pg_try_advisory_lock({int.from_bytes(b'flask-db')})",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    # Lock names are shared by the whole server, and have at most 64 characters.
    "mysql": "SELECT GET_LOCK(CONCAT('flask-db:', MD5(DATABASE())), 0)",
    # {% endif %}
}
"""The query that acquires the lock if it is free. The session holds the lock until it ends."""
# {% endif %}
LOCK_TIMEOUTS: set[object] = {
    # {% if cookiecutter.database == "postgresql" %}
    "55P03",  # lock_not_available
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    1205,  # ER_LOCK_WAIT_TIMEOUT
    # {% endif %}
    "database is locked",  # SQLite
}
"""The drivers' codes or messages for a lock that was not granted in time."""


@contextmanager
def hold(connection: Connection, settings: DatabaseSettings) -> Iterator[None]:
    """Hold the migration lock while this block runs.

    Raises:
        CommandError: when the lock is not free in time, when a statement waits too long for a
            table's lock, and where no lock can be held. `flask db` prints the message.

    """
    # {% if cookiecutter.database == "postgresql" %}
    if settings.database_transaction_pooling and not settings.database_migration_url:
        # The pooler may run each transaction in another session than the one that has the lock.
        message = (
            "Migrations need a session of their own, and DATABASE_TRANSACTION_POOLING is on: "
            "set DATABASE_MIGRATION_URL to the server behind the pooler. Nothing was changed."
        )
        raise CommandError(message)
    # {% endif %}
    with _lock(connection) as take:
        _wait(take, settings.database_migration_wait_timeout_seconds)
        try:
            yield
        except DBAPIError as error:
            error_codes = (getattr(error.orig, "sqlstate", None), *getattr(error.orig, "args", ()))
            if LOCK_TIMEOUTS.isdisjoint(error_codes):
                raise
            message = (
                "A migration waited for a lock for longer than DATABASE_MIGRATION_LOCK_TIMEOUT_"
                f"SECONDS ({settings.database_migration_lock_timeout_seconds}): another transaction "
                "uses the table. Run it again when that has ended."
                # {% if cookiecutter.database == "mysql" %}
                " MySQL and MariaDB keep what the migration had already changed: look there first."
                # {% endif %}
            )
            raise CommandError(message) from error


@contextmanager
def _lock(connection: Connection) -> Iterator[Callable[[], bool]]:
    """Yield a function that tries to acquire the lock, and returns whether it has it."""
    # {% if cookiecutter.database != "sqlite" %}
    if statement := TAKE_LOCK.get(connection.dialect.name):
        yield lambda: _take_in_session(connection, statement)
        return
    # {% endif %}
    rows = connection.exec_driver_sql("PRAGMA database_list").all()
    connection.rollback()
    path = next(row.file for row in rows if row.name == "main")
    if not path:  # in memory, which no other process can access
        yield lambda: True
        return
    with Path(f"{path}-migration").open("w") as file:
        yield lambda: _take_file(file.fileno())


# {% if cookiecutter.database != "sqlite" %}
def _take_in_session(connection: Connection, statement: str) -> bool:
    taken = bool(connection.exec_driver_sql(statement).scalar_one())
    connection.rollback()  # ends the transaction; the session still holds the lock
    return taken


# {% endif %}
def _take_file(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(take: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    if not (taken := take()):
        logger.info("waiting for migration lock")
    while not taken:
        if time.monotonic() > deadline:
            message = (
                "Another process is migrating, and has not finished within "
                f"DATABASE_MIGRATION_WAIT_TIMEOUT_SECONDS ({seconds:.0f}). Nothing was changed."
            )
            raise CommandError(message)
        time.sleep(POLL_SECONDS)
        taken = take()
