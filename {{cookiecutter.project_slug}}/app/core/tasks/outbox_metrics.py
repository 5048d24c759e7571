"""How many messages the outbox holds, and for how long: a value of the database, not of a worker.

It is asked at each look at `/metrics`, over a connection that is not the pool's: nobody wants these
numbers more than when requests have taken all of those.
"""

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Flask
from sqlalchemy import Engine, NullPool, case, create_engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from app.core import telemetry
from app.core.database import DatabaseSettings, connect_args, reading_engine, settings_of
from app.core.observability import metrics
from app.core.tasks.outbox import OutboxMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

logger = logging.getLogger(__name__)

SECONDS = 2  # the longest that a look waits to be connected, and then for the answer

ALIVE = case((OutboxMessage.died_at.is_(None), OutboxMessage.waiting_since))
HELD = select(func.count(ALIVE), func.min(ALIVE), func.count(OutboxMessage.died_at))


class OutboxMetrics:
    """Asks the database what the outbox holds."""

    def __init__(self, engine: Engine) -> None:
        """Take whom to ask."""
        self._engine = engine

    def ask(self) -> "Iterable[Metric]":
        """Return what the outbox holds; nothing, when the database does not tell in time."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  see `metrics`

        try:
            with self._engine.connect() as connection:
                waiting, since, dead = connection.execute(HELD).one()
        except SQLAlchemyError as error:
            words = {telemetry.ERROR_TYPE: type(error).__name__}
            logger.warning("outbox metrics unavailable", extra=words)
            return []
        seconds = max(0.0, (datetime.now(UTC) - since).total_seconds()) if since else 0.0
        messages = GaugeMetricFamily(
            "outbox_messages",
            "Messages that wait for their task, and dead letters",
            labels=["state"],
        )
        messages.add_metric(["waiting"], waiting)
        messages.add_metric(["dead"], dead)
        age = GaugeMetricFamily(
            "outbox_oldest_age_seconds", "Age of the oldest message that waits", seconds
        )
        return [messages, age]


def _hurried(settings: DatabaseSettings) -> DatabaseSettings:
    """Return settings whose limits of time fit between two looks."""
    return settings.model_copy(
        update={
            "database_connect_timeout_seconds": min(
                SECONDS, settings.database_connect_timeout_seconds
            ),
            "database_statement_timeout_ms": min(
                SECONDS * 1_000, settings.database_statement_timeout_ms
            ),
        }
    )


def init_app(app: Flask) -> None:
    """Show what the outbox holds."""
    settings = settings_of(app)
    engine = create_engine(
        reading_engine(app).url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args=connect_args(_hurried(settings), settings.url),
    )
    metrics.of(app).shared.append(OutboxMetrics(engine).ask)
