"""The database's readiness probe, and the responses while the database is unavailable."""

import logging

from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm.exc import StaleDataError

from app.core import telemetry
from app.core.checks import readiness_checks
from app.core.database.dialects import BACKENDS
from app.core.database.engine import reading_engine
from app.core.errors import Conflict, Unavailable

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = "2"


class DatabaseUnavailable(Unavailable):
    """The database is unreachable, has no free connection, or exceeded a time limit."""

    code = "database_unavailable"
    detail = "The database is unavailable. Try again shortly."


class DatabaseReadOnly(Exception):  # noqa: N818  a state that the readiness probe finds
    """The database accepts no writes: it is a standby, or a primary during a switchover."""


def init_app(app: Flask) -> None:
    """Add the readiness probe, and answer database errors with problem documents."""
    readiness_checks.of(app).probes["database"] = lambda: _require_writable(reading_engine.of(app))
    for error in (InterfaceError, OperationalError, PoolExhausted):
        app.register_error_handler(error, _unavailable)
    app.register_error_handler(StaleDataError, _changed_meanwhile)


def _require_writable(engine: Engine) -> None:
    """Check that the database accepts writes.

    Raises:
        DatabaseReadOnly: when a new connection is read-only too. A pooled one may be older than
            a failover.

    """
    for _ in range(2):
        with engine.connect() as connection:
            if BACKENDS[engine.dialect.name].is_writable(connection):
                return
        engine.dispose()
    logger.error("database read-only")
    raise DatabaseReadOnly


def _unavailable(error: Exception) -> ResponseReturnValue:
    logger.error(
        "database unavailable",
        extra={telemetry.EXCEPTION_MESSAGE: str(getattr(error, "orig", error))},
    )
    problem = DatabaseUnavailable(headers={"Retry-After": RETRY_AFTER_SECONDS})
    return current_app.handle_user_exception(problem)


def _changed_meanwhile(error: Exception) -> ResponseReturnValue:
    del error
    return current_app.handle_user_exception(Conflict())
