"""The usage of the database connection pool, over all workers."""

from typing import cast

from flask import Flask
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.core.database import database_settings, reading_engine
from app.core.observability.metrics import metrics

OUT = "pool_metrics.out"


def init_app(app: Flask) -> None:
    """Count the application's connections on connect, checkout, checkin and close."""
    of, settings = metrics.of(app), database_settings.of(app)
    of.gauge("db_client_connection_idle_max", "Database connections that are kept open").set(
        settings.database_pool_size
    )
    of.gauge("db_client_connection_max", "Maximum of open database connections").set(
        settings.database_pool_size + settings.database_max_overflow
    )
    count = of.gauge("db_client_connection_count", "Open database connections", ["state"])
    idle, used = count.labels("idle"), count.labels("used")

    def connect(_connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        idle.inc()

    def close(_connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        # A connection that breaks in use is closed before it is checked in.
        (used if _info(entry).pop(OUT, False) else idle).dec()

    def checkout(
        _connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection
    ) -> None:
        _info(entry)[OUT] = True
        idle.dec()
        used.inc()

    def checkin(_connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        # A connection that could not be opened is checked in without a checkout.
        if _info(entry).pop(OUT, False):
            used.dec()
            idle.inc()

    engine = reading_engine.of(app)
    for happens in (connect, close, checkout, checkin):
        event.listen(engine, happens.__name__, happens)


def _info(entry: ConnectionPoolEntry) -> dict[str, bool]:
    """Return data that lasts as long as the pool entry, even if its connection is replaced."""
    return cast("dict[str, bool]", entry.record_info)
