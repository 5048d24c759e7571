"""The database: `reading()` for queries, `writing()` for transactions, `Base` for models."""

from flask import Flask
from sqlalchemy.orm import Session

from app.core.database import (  # one line where it fits
    autogenerate,
    availability,
    constraints,
    engine,
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui or cookiecutter.background_tasks or cookiecutter.webhooks %}
    pruning,
    # {% endif %}
    slow_queries,
    # {% if cookiecutter.database != "sqlite" %}
    sqlite_copy,
    transaction_retries,
    # {% endif %}
)
from app.core.database.constraints import ForeignKeyViolation, UniqueViolation
from app.core.database.dialects import connect_args
from app.core.database.engine import (  # one line where it fits
    # {% if cookiecutter.background_tasks %}
    AFTER_COMMIT,
    affected,
    # {% endif %}
    database_settings,
    db,
    migration_engine,
    reading,
    reading_engine,
    writing,
)
from app.core.database.inserts import insert_if_absent
from app.core.database.settings import DatabaseSettings
from app.core.database.types import Base, IntegerId, UTCDateTime

__all__ = [  # one line where it fits
    # {% if cookiecutter.background_tasks %}
    "AFTER_COMMIT",
    # {% endif %}
    # {% if cookiecutter.database != "sqlite" %}
    "Application",
    # {% endif %}
    "Base",
    "DatabaseSettings",
    "ForeignKeyViolation",
    "IntegerId",
    "Session",
    "UTCDateTime",
    "UniqueViolation",
    # {% if cookiecutter.background_tasks %}
    "affected",
    # {% endif %}
    "connect_args",
    "database_settings",
    "db",
    "init_app",
    "insert_if_absent",
    "migration_engine",
    "reading",
    "reading_engine",
    "writing",
]
# {% if cookiecutter.database != "sqlite" %}

Application = transaction_retries.Flask
# {% endif %}


def init_app(app: Flask, settings: DatabaseSettings) -> None:
    """Set up the pool, migrations, the readiness probe, error handlers and slow query warnings."""
    engine.init_app(app, settings)
    autogenerate.init_app(app)
    # {% if cookiecutter.database != "sqlite" %}
    sqlite_copy.init_app(app)
    # {% endif %}
    availability.init_app(app)
    constraints.init_app(app)
    slow_queries.init_app(app, settings)
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui or cookiecutter.background_tasks or cookiecutter.webhooks %}
    pruning.init_app(app)
    # {% endif %}
