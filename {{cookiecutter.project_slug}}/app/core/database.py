"""The database and the two doors to it: `reading()` and `writing()`."""

import logging
import os
from collections.abc import Callable, Iterator
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
    NullPool,
    TypeDecorator,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.engine.interfaces import DBAPIConnection, IsolationLevel
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass, Session
from sqlalchemy.orm.exc import StaleDataError

from app.core import (
    checks,
    # {% if cookiecutter.database != "sqlite" %}
    collisions,
    # {% endif %}
    database_url,
    # {% if cookiecutter.database != "sqlite" %}
    disconnects,
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    mysql_numbers,
    # {% endif %}
    unstorable,
)
from app.core.config import CoreSettings, Environment, required_in_production
from app.core.errors import Conflict, Unavailable
from app.core.secret_url import SecretURL

logger = logging.getLogger(__name__)

READING = "database.reading"
SETTINGS = "database.settings"
# {% if cookiecutter.background_tasks %}
AFTER_COMMIT = "after_commit"
"""Where a session keeps what is to be done once its transaction is committed."""
# {% endif %}
RETRY_AFTER_SECONDS = "2"

DRIVERS = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",  # as libpq takes it, and Heroku and Render write it
    "postgresql+psycopg": "postgresql+psycopg",
    "postgresql+psycopg2": "postgresql+psycopg",  # the same libpq, so the same parameters
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
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
    # {% if cookiecutter.database == "postgresql" %}
    database_transaction_pooling: bool = False
    """Whether DATABASE_URL leads to a pooler that gives each transaction any session."""
    database_prepared_statements: bool | None = None
    """Whether the driver prepares what it sends often; unset: not in transaction pooling."""
    # {% endif %}
    # {% if cookiecutter.database != "sqlite" %}
    database_migration_url: SecretURL | None = None
    """Where migrations connect: an account with more rights, or the server behind a pooler."""
    # {% endif %}
    database_migration_lock_timeout_seconds: int = Field(default=10, ge=1, le=3_600)
    database_migration_wait_timeout_seconds: int = Field(default=600, ge=0, le=86_400)
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
        url = database_url.read(text, {**DRIVERS, **file})
        return SecretURL(url.render_as_string(hide_password=False))

    # {% if cookiecutter.database != "sqlite" %}
    @field_validator("database_migration_url")
    @classmethod
    def _of_the_same_kind(cls, value: SecretURL | None) -> SecretURL | None:
        if value is None:
            return None
        url = database_url.read(value.get_secret_value(), DRIVERS)
        return SecretURL(url.render_as_string(hide_password=False))

    # {% endif %}
    @property
    def url(self) -> URL:
        """The address, in its parts."""
        return make_url(self.database_url.get_secret_value())

    def warnings(self) -> list[str]:
        """Tell what is allowed but unwise here, one sentence each."""
        found = super().warnings()
        if self.database_pool_size + self.database_pool_overflow < self.web_threads:
            found.append(
                "DATABASE_POOL_SIZE and DATABASE_POOL_OVERFLOW together are less than WEB_THREADS: "
                "requests will wait for a connection."
            )
        # {% if cookiecutter.database == "postgresql" %}
        if self.database_transaction_pooling and not self.database_migration_url:
            found.append(
                "DATABASE_TRANSACTION_POOLING is on and DATABASE_MIGRATION_URL is not set: "
                "`flask db upgrade` will refuse to run."
            )
        # {% endif %}
        return found


class DatabaseUnavailable(Unavailable):
    """The database is away, has no connection left for us or takes too long."""

    code = "database_unavailable"
    detail = "The database does not answer now; try again soon."


class DatabaseReadOnly(Exception):  # noqa: N818  a state that the readiness probe meets
    """The database answers, but takes no writes: a standby, or a primary being switched over."""


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


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long the statements of a connection may take."""

    statement_ms: int
    """0: without end."""
    lock_seconds: int | None = None
    """For how long a statement waits for a lock; None: for as long as it may take."""


# {% if cookiecutter.database == "postgresql" %}
def _postgresql(settings: DatabaseSettings, limits: SessionLimits) -> dict[str, object]:
    given: dict[str, object] = {
        # The name that counts when neither the URL nor PGAPPNAME gives one.
        "fallback_application_name": settings.service_name,
        "connect_timeout": settings.database_connect_seconds,
        # A server that vanished without a word is noticed here, not after two hours.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": settings.database_statement_ms
        + 1_000 * settings.database_connect_seconds,
    }
    pooled = settings.database_transaction_pooling
    prepares = settings.database_prepared_statements
    if not (not pooled if prepares is None else prepares):
        given["prepare_threshold"] = None
    if pooled and limits.lock_seconds is None:
        return given  # a pooler refuses `options`: see docs/database.md for what to do instead
    options = {"statement_timeout": limits.statement_ms, "timezone": "UTC"}
    if limits.lock_seconds is not None:
        options["lock_timeout"] = 1_000 * limits.lock_seconds
    ours = " ".join(f"-c {name}={value}" for name, value in options.items())
    given["options"] = f"{database_url.options_of_libpq()} {ours}".strip()
    return given


# {% endif %}
# {% if cookiecutter.database == "mysql" %}
def _mysql(settings: DatabaseSettings, limits: SessionLimits) -> dict[str, object]:
    seconds = limits.statement_ms / 1_000
    given: dict[str, object] = {
        "connect_timeout": settings.database_connect_seconds,
        "conv": mysql_numbers.encoders(),
    }
    if seconds:
        # A server that vanished without a word is noticed here.
        given["read_timeout"] = seconds + settings.database_connect_seconds
        given["write_timeout"] = seconds + settings.database_connect_seconds
    lock_seconds = limits.lock_seconds or max(1, round(seconds))
    # One statement, because each is a round trip; MySQL limits only its SELECTs, and each server
    # reads the comment that is meant for it.
    given["init_command"] = (
        f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {lock_seconds}"
        f"{f', lock_wait_timeout = {limits.lock_seconds}' if limits.lock_seconds else ''}"
        f"/*!80000 , max_execution_time = {limits.statement_ms} */"
        f"/*M! , max_statement_time = {seconds} */"
    )
    return given


# {% endif %}
def _sqlite(settings: DatabaseSettings, limits: SessionLimits) -> dict[str, object]:
    # How long to wait for another writer; SQLite has no time limit for a statement.
    del settings
    return {"timeout": limits.lock_seconds or limits.statement_ms / 1_000}


def _keep_promises(connection: DBAPIConnection, record: object) -> None:
    """Make SQLite check foreign keys, and let it read while another connection writes."""
    del record
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def _file_takes_writes(connection: Connection) -> bool:
    """Tell whether the session and the file system let SQLite write; the journal lies beside the file.

    SQLite opens a file read-only if it has to, and says so at the first write.
    """
    query = "SELECT file FROM pragma_database_list, pragma_query_only WHERE NOT (seq OR query_only)"
    file = connection.exec_driver_sql(query).scalar_one_or_none()
    places = [file, Path(file).parent] if file else []  # without a file, in memory
    return file is not None and all(os.access(place, os.W_OK) for place in places)


def _begin_immediate(connection: Connection) -> None:
    """Queue for SQLite's write lock at once: a reader that turns writer is refused instead."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@dataclass(frozen=True, slots=True)
class Backend:
    """What differs from one kind of database to another."""

    connect_args: Callable[[DatabaseSettings, SessionLimits], dict[str, object]]
    takes_writes: Callable[[Connection], bool]
    """Tells whether a session may write."""
    isolation_level: IsolationLevel = "READ COMMITTED"
    on_connect: tuple[Callable[[DBAPIConnection, object], None], ...] = ()
    on_begin: tuple[Callable[[Connection], None], ...] = ()


# {% if cookiecutter.database != "sqlite" %}
def _by_query(query: str) -> Callable[[Connection], bool]:
    return lambda connection: bool(connection.exec_driver_sql(query).scalar_one())


# {% endif %}
BACKENDS = {
    # {% if cookiecutter.database == "postgresql" %}
    # A standby is read-only, too.
    "postgresql": Backend(
        _postgresql, _by_query("SELECT current_setting('transaction_read_only') = 'off'")
    ),
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": Backend(
        _mysql,
        # MariaDB and MySQL name the session's own differently.
        _by_query(
            "SELECT @@global.read_only IN ('0', 'OFF') AND NOT @@global.innodb_read_only AND NOT"
            " /*!80000 @@session.transaction_read_only *//*M! @@session.tx_read_only */"
        ),
    ),
    # {% endif %}
    "sqlite": Backend(
        _sqlite,
        _file_takes_writes,
        "SERIALIZABLE",
        (_keep_promises,),
        (_begin_immediate,),
    ),
}


def connect_args(
    settings: DatabaseSettings, url: URL, limits: SessionLimits | None = None
) -> dict[str, object]:
    """Return what every connection is opened with, besides what its URL says.

    There is no other recipe: requests, migrations, probes and metrics differ in their limits only.
    """
    limits = limits or SessionLimits(settings.database_statement_ms)
    ours = BACKENDS[url.get_backend_name()].connect_args(settings, limits)
    return database_url.join(url, ours)


def engine_options(settings: DatabaseSettings) -> dict[str, Any]:
    """Return what the engine is made with."""
    options: dict[str, Any] = {
        "connect_args": connect_args(settings, settings.url),
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
        # {% if cookiecutter.database != "sqlite" %}
        event.listen(reading, "handle_error", disconnects.replace, retval=True)
        # {% endif %}
        app.extensions[READING] = reading
        unstorable.observe(reading)
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


def migration_engine(app: Flask) -> Engine:
    """Return an engine for migrations: each connection is new, and limits only waits for locks.

    A large table takes longer than a request may, but nobody may wait behind a migration that
    itself waits for a lock. SQLite's foreign keys are not checked, because copying a table would
    delete what refers to it.
    """
    settings = settings_of(app)
    url = reading_engine(app).url
    # {% if cookiecutter.database != "sqlite" %}
    if settings.database_migration_url:
        url = make_url(settings.database_migration_url.get_secret_value())
    # {% endif %}
    limits = SessionLimits(0, settings.database_migration_lock_timeout_seconds)
    given = connect_args(settings, url, limits)
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=given)


def settings_of(app: Flask) -> DatabaseSettings:
    """Return what this application was told about its database."""
    return cast("DatabaseSettings", app.extensions[SETTINGS])


def init_app(app: Flask, settings: DatabaseSettings) -> None:
    """Give the application its own pool, the `flask db` commands, a probe and its problems."""
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings)
    app.extensions[SETTINGS] = settings
    db.init_app(app)
    migrations = Path(app.root_path).parent / "migrations"
    Migrate(app, db, str(migrations))
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
    logger.error("database unavailable", extra={"reason": str(getattr(error, "orig", error))})
    problem = DatabaseUnavailable(headers={"Retry-After": RETRY_AFTER_SECONDS})
    return current_app.handle_user_exception(problem)


def _changed_meanwhile(error: Exception) -> ResponseReturnValue:
    del error
    return current_app.handle_user_exception(Conflict())
