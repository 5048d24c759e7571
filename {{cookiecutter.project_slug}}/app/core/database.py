"""The database and the two doors to it: `reading()` and `writing()`."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, cast

from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy import (
    URL,
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    TypeDecorator,
    event,
    make_url,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection, IsolationLevel
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass, Session
from sqlalchemy.orm.exc import StaleDataError

from app.core import (
    checks,
    # {% if cookiecutter.database != "sqlite" %}
    collisions,
    # {% endif %}
)
from app.core.config import CoreSettings, Environment, SecretURL, required_in_production
from app.core.errors import Conflict, Unavailable

logger = logging.getLogger(__name__)

READING = "database.reading"
# {% if cookiecutter.background_tasks %}
AFTER_COMMIT = "after_commit"
"""Where a session keeps what is to be done once its transaction is committed."""
# {% endif %}
RETRY_AFTER_SECONDS = "2"

DRIVERS = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    # {% endif %}
    # {% if cookiecutter.database == "sqlite" %}
    "sqlite": "sqlite",
    # {% endif %}
}
"""What DATABASE_URL may begin with in production, and the driver that it means."""

UNSET = {
    Environment.DEVELOPMENT: "sqlite:///development.db",  # in the folder `instance`
    Environment.TESTING: "sqlite://",  # in memory
}


class DatabaseSettings(CoreSettings):
    """Where the data is, and how long and by how many it is asked for."""

    database_url: SecretURL = Field(default=SecretURL(""), validate_default=True)
    database_pool_size: int = Field(default=5, ge=1, le=128)
    database_pool_overflow: int = Field(default=5, ge=0, le=128)
    database_pool_seconds: float = Field(default=5, gt=0, le=60)
    database_recycle_seconds: int = Field(default=1_800, ge=1)
    database_connect_seconds: int = Field(default=5, ge=1, le=60)
    database_statement_ms: int = Field(default=10_000, ge=1, le=3_600_000)
    slow_query_ms: int = Field(default=500, ge=0)
    """From when on a query is logged; 0: never."""

    @field_validator("database_url")
    @classmethod
    def _of_our_kind(cls, value: SecretURL, info: ValidationInfo) -> SecretURL:
        environment = info.data.get("app_env")
        text = value.get_secret_value() or UNSET.get(environment or Environment.PRODUCTION)
        if not text:
            required_in_production(None, info)
            return value
        # A laptop and a test run may use a file, whatever production runs on.
        file = {} if environment is Environment.PRODUCTION else {"sqlite": "sqlite"}
        return SecretURL(_with_driver(text, {**DRIVERS, **file}))

    @property
    def url(self) -> URL:
        """The address, in its parts."""
        return make_url(self.database_url.get_secret_value())

    def warnings(self) -> list[str]:
        """Tell what is allowed but unwise here, one sentence each."""
        connections = self.database_pool_size + self.database_pool_overflow
        scarce = (
            "DATABASE_POOL_SIZE and DATABASE_POOL_OVERFLOW together are less than WEB_THREADS: "
            "requests will wait for a connection."
        )
        return [*super().warnings(), *([scarce] if connections < self.web_threads else [])]


def _with_driver(text: str, drivers: Mapping[str, str]) -> str:
    try:
        url = make_url(text)
        return url.set(drivername=drivers[url.drivername]).render_as_string(hide_password=False)
    except (ArgumentError, KeyError, ValueError):
        names = " or ".join(f"{name}://" for name in drivers if "+" not in name)
        message = f"must be the URL of a database, beginning with {names}"
        raise ValueError(message) from None


class DatabaseUnavailable(Unavailable):
    """The database is away, has no connection left for us or takes too long."""

    code = "database_unavailable"
    detail = "The database does not answer now; try again soon."


# {% if cookiecutter.database == "mysql" %}
class _Microseconds(DateTime):
    """DATETIME(6) on MySQL and MariaDB, which otherwise round to whole seconds."""

    fsp = 6


# {% endif %}
class UTCDateTime(TypeDecorator[datetime]):
    """A moment: time zones are required going in, and it comes out in UTC on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    # {% if cookiecutter.database == "mysql" %}
    def load_dialect_impl(self, dialect: Dialect) -> DateTime:
        """Name the column type."""
        del dialect
        return _Microseconds(timezone=True)

    # {% endif %}
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; where the column keeps no zone, drop it.

        Raises:
            ValueError: for a time without a zone, which could mean any moment.

        """
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a datetime without a time zone cannot be stored"
            raise ValueError(message)
        zone = UTC if dialect.name == "postgresql" else None
        return value.astimezone(UTC).replace(tzinfo=zone)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that it is UTC, where the column kept no zone."""
        del dialect
        if value is None or value.tzinfo is None:
            return value and value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


class Base(MappedAsDataclass, DeclarativeBase):
    """The base of every model. It names every constraint, so that a migration can drop it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UTCDateTime}


# {% if cookiecutter.database == "postgresql" %}
def _postgresql(settings: DatabaseSettings) -> dict[str, object]:
    statement_ms = settings.database_statement_ms
    return {
        "application_name": settings.service_name,
        "connect_timeout": settings.database_connect_seconds,
        "options": f"-c statement_timeout={statement_ms} -c timezone=UTC",
        # A server that vanished without a word is noticed here, not after two hours.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": statement_ms + 1_000 * settings.database_connect_seconds,
    }


# {% endif %}
# {% if cookiecutter.database == "mysql" %}
def _mysql(settings: DatabaseSettings) -> dict[str, object]:
    seconds = settings.database_statement_ms / 1_000
    return {
        "connect_timeout": settings.database_connect_seconds,
        # A server that vanished without a word is noticed here.
        "read_timeout": seconds + settings.database_connect_seconds,
        "write_timeout": seconds + settings.database_connect_seconds,
        # One statement, because each is a round trip; MySQL limits only its SELECTs, and each
        # server reads the comment that is meant for it.
        "init_command": (
            "SET time_zone = '+00:00', "
            f"innodb_lock_wait_timeout = {max(1, round(seconds))}"
            f"/*!80000 , max_execution_time = {settings.database_statement_ms} */"
            f"/*M! , max_statement_time = {seconds} */"
        ),
    }


# {% endif %}
def _sqlite(settings: DatabaseSettings) -> dict[str, object]:
    # How long to wait for another writer; SQLite has no time limit for a statement.
    return {"timeout": settings.database_statement_ms / 1_000}


def _keep_promises(connection: DBAPIConnection, record: object) -> None:
    """Make SQLite check foreign keys, and let it read while another connection writes."""
    del record
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    """Queue for SQLite's write lock at once: a reader that turns writer is refused instead."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@dataclass(frozen=True, slots=True)
class Backend:
    """What differs from one kind of database to another."""

    connect_args: Callable[[DatabaseSettings], dict[str, object]]
    isolation_level: IsolationLevel = "READ COMMITTED"
    on_connect: tuple[Callable[[DBAPIConnection, object], None], ...] = ()
    on_begin: tuple[Callable[[Connection], None], ...] = ()


BACKENDS = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": Backend(_postgresql),
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": Backend(_mysql),
    # {% endif %}
    "sqlite": Backend(_sqlite, "SERIALIZABLE", (_keep_promises,), (_begin_immediate,)),
}


def engine_options(settings: DatabaseSettings) -> dict[str, Any]:
    """Return what the engine is made with."""
    options: dict[str, Any] = {
        "connect_args": BACKENDS[settings.url.get_backend_name()].connect_args(settings),
        "hide_parameters": True,  # values from requests do not belong in logs
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "pool_pre_ping": True,
    }
    if settings.url == make_url("sqlite://"):
        return options  # lives in one connection, so it has no pool
    return options | {
        "pool_size": settings.database_pool_size,
        "max_overflow": settings.database_pool_overflow,
        "pool_timeout": settings.database_pool_seconds,
        "pool_recycle": settings.database_recycle_seconds,
    }


class _SQLAlchemy(SQLAlchemy):
    """Keeps two views of one pool of connections."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        """Return an engine with transactions; set aside the one without, for `reading`.

        Connections are opened in AUTOCOMMIT and switched for a transaction, not the other way
        round: the switch costs MySQL round trips, and there are more reads than writes.
        """
        reading = super()._make_engine(bind_key, options, app)
        backend = BACKENDS[reading.dialect.name]
        writing = reading.execution_options(isolation_level=backend.isolation_level)
        for prepare in backend.on_connect:
            event.listen(reading, "connect", prepare)
        for begin in backend.on_begin:
            event.listen(writing, "begin", begin)
        app.extensions[READING] = reading
        return writing


db = _SQLAlchemy(metadata=Base.metadata, disable_autonaming=True)


@contextmanager
def reading() -> Iterator[Connection]:
    """Open a connection for queries: no transaction, so no round trips besides the queries.

    Each statement sees what is committed when it starts.
    """
    with reading_engine(current_app).connect() as connection:
        yield connection


@contextmanager
def writing() -> Iterator[Session]:
    """Open one transaction with a session; commit it at the end, or roll back on an exception.

    Keep it short: compute before it and answer after it.
    """
    with Session(db.engine, expire_on_commit=False) as session, session.begin():
        yield session
    # {% if cookiecutter.database != "sqlite" %}
    collisions.committed()
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    for act in session.info.pop(AFTER_COMMIT, ()):
        act()
    # {% endif %}


def reading_engine(app: Flask) -> Engine:
    """Return the engine of this application whose connections have no transactions."""
    return cast("Engine", app.extensions[READING])


def init_app(app: Flask, settings: DatabaseSettings) -> None:
    """Give the application its own pool, the `flask db` commands, a probe and its problems."""
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings)
    db.init_app(app)
    migrations = Path(app.root_path).parent / "migrations"
    Migrate(app, db, str(migrations))
    checks.of(app).probes["database"] = lambda: _ping(reading_engine(app))
    for error in (InterfaceError, OperationalError, PoolExhausted):
        app.register_error_handler(error, _unavailable)
    app.register_error_handler(StaleDataError, _changed_meanwhile)
    # {% if cookiecutter.database != "sqlite" %}
    collisions.init_app(app)
    # {% endif %}


def _ping(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(select(1))


def _unavailable(error: Exception) -> ResponseReturnValue:
    logger.error("database unavailable", extra={"reason": str(getattr(error, "orig", error))})
    problem = DatabaseUnavailable(headers={"Retry-After": RETRY_AFTER_SECONDS})
    return current_app.handle_user_exception(problem)


def _changed_meanwhile(error: Exception) -> ResponseReturnValue:
    del error
    return current_app.handle_user_exception(Conflict())
