"""Log a warning for each slow query; its text has placeholders, never values."""

import logging
import time

from flask import Flask
from sqlalchemy import Connection, ExceptionContext, event

from app.core import database, telemetry
from app.core.database.settings import DatabaseSettings

logger = logging.getLogger(__name__)

STATE = "slow_queries.began"
MAX_TEXT_LENGTH = 2_000  # characters of a query


def init_app(app: Flask, settings: DatabaseSettings) -> None:
    """Time the application's queries, unless SLOW_QUERY_MS is 0."""
    slow = settings.slow_query_ms / 1e3
    if not slow:
        return

    def begin(connection: Connection, *_: object) -> None:
        connection.info[STATE] = time.perf_counter()

    def end(connection: Connection, statement: str | None) -> None:
        began = connection.info.pop(STATE, None)
        if began is not None and (seconds := time.perf_counter() - began) >= slow:
            fields = {
                telemetry.DURATION: round(seconds, 6),
                telemetry.DB_QUERY_TEXT: str(statement)[:MAX_TEXT_LENGTH],
            }
            logger.warning("slow query", extra=fields)

    def succeeded(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        end(connection, statement)

    def failed(problem: ExceptionContext) -> None:
        if problem.connection:
            end(problem.connection, problem.statement)

    engine = database.reading_engine.of(app)
    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", succeeded)
    event.listen(engine, "handle_error", failed)
