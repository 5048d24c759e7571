"""Whether the database answers and takes writes: the readiness probe, and the answers when it does not."""

import logging

from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm.exc import StaleDataError

from app.core import checks, telemetry
from app.core.database.dialects import BACKENDS
from app.core.database.engine import reading_engine
from app.core.errors import Conflict, Unavailable

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = "2"


class DatabaseUnavailable(Unavailable):
    """The database is away, has no connection left for us or takes too long."""

    code = "database_unavailable"
    detail = "The database does not answer now; try again soon."


class DatabaseReadOnly(Exception):  # noqa: N818  a state that the readiness probe meets
    """The database answers, but takes no writes: a standby, or a primary being switched over."""


def init_app(app: Flask) -> None:
    """Add the readiness probe, and answer errors of the database by problems."""
    checks.of(app).probes["database"] = lambda: _takes_writes(reading_engine(app))
    for error in (InterfaceError, OperationalError, PoolExhausted):
        app.register_error_handler(error, _unavailable)
    app.register_error_handler(StaleDataError, _changed_meanwhile)


def _takes_writes(engine: Engine) -> None:
    """Ask whether the database takes writes.

    Raises:
        DatabaseReadOnly: when a new connection may not write either; one of the pool may be older
            than a failover.

    """
    for _ in range(2):
        with engine.connect() as connection:
            if BACKENDS[engine.dialect.name].takes_writes(connection):
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
