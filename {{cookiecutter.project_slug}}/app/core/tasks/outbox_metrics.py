"""The size and age of the outbox: one value for the database, not one for each worker.

Each scrape of `/metrics` queries the database over a connection outside the pool: these values
matter most when requests have taken all connections of the pool.
"""

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Flask
from sqlalchemy import Engine, NullPool, case, create_engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from app.core import telemetry
from app.core.database import DatabaseSettings, connect_args, database_settings, reading_engine
from app.core.observability.metrics import metrics
from app.core.tasks.outbox import OutboxMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

logger = logging.getLogger(__name__)

SCRAPE_TIMEOUT_SECONDS = 2  # for the connection, and then for the query

WAITING_SINCE = case((OutboxMessage.died_at.is_(None), OutboxMessage.waiting_since))
TOTALS = select(
    func.count(WAITING_SINCE), func.min(WAITING_SINCE), func.count(OutboxMessage.died_at)
)


MESSAGES = (
    "outbox_messages",
    "Messages in the outbox: waiting for the end of their task, or dead letters",
)
AGE = (
    "outbox_oldest_age_seconds",
    "Age of the oldest waiting message, in seconds; 0 without one",
)


class OutboxMetrics:
    """Reads the state of the outbox from the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> "Iterable[Metric]":
        """Return the state of the outbox; nothing if the database fails or times out."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  see `metrics`

        try:
            with self._engine.connect() as connection:
                waiting, since, dead = connection.execute(TOTALS).one()
        except SQLAlchemyError as error:
            fields = {telemetry.ERROR_TYPE: type(error).__name__}
            logger.warning("outbox metrics unavailable", extra=fields)
            return []
        seconds = max(0.0, (datetime.now(UTC) - since).total_seconds()) if since else 0.0
        messages = GaugeMetricFamily(*MESSAGES, labels=["state"])
        messages.add_metric(["waiting"], waiting)
        messages.add_metric(["dead"], dead)
        return [messages, GaugeMetricFamily(*AGE, seconds)]


def _with_scrape_timeout(settings: DatabaseSettings) -> DatabaseSettings:
    """Return settings with timeouts that are short enough for a scrape."""
    return settings.model_copy(
        update={
            "database_connect_timeout_seconds": min(
                SCRAPE_TIMEOUT_SECONDS, settings.database_connect_timeout_seconds
            ),
            "database_statement_timeout_ms": min(
                SCRAPE_TIMEOUT_SECONDS * 1_000, settings.database_statement_timeout_ms
            ),
        }
    )


def init_app(app: Flask) -> None:
    """Add the state of the outbox to the metrics."""
    settings = database_settings.of(app)
    engine = create_engine(
        reading_engine.of(app).url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args=connect_args(_with_scrape_timeout(settings), settings.url),
    )
    metrics.of(app).add_collector({MESSAGES: ("state",), AGE: ()}, OutboxMetrics(engine).collect)
