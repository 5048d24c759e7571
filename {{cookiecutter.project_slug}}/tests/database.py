"""Database fixtures: one database for the test run, emptied after each test.

Without TEST_DATABASE_URL it is an SQLite file. With it, a database is created on that server and
dropped at the end.
"""

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import current_thread
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    NullPool,
    Select,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.engine.interfaces import DBAPIConnection

from app import create_app
from app.core import (  # one line where it fits
    database,
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
    mail,
    # {% endif %}
)
from app.core.config import Environment
from app.core.database.settings import UNSET
from app.settings import Settings
from tests.toy_tables import ToyBase

CountQueries = Callable[[int], AbstractContextManager[None]]
Query = Select[*tuple[Any, ...]]
Plan = Callable[[Query], str]
NewDatabase = Callable[[], str]
EXPLAIN = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": ("ANALYZE", "EXPLAIN"),
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": ("ANALYZE TABLE", "EXPLAIN"),
    # {% endif %}
    "sqlite": ("ANALYZE", "EXPLAIN QUERY PLAN"),
}


READ_ONLY = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    # {% endif %}
    "sqlite": "PRAGMA query_only = ON",
}
"""The statement that makes a session read-only, as on a standby."""


def settings(database_url: str) -> Settings:
    """Return test settings with this database."""
    return Settings.model_validate({"app_env": "testing", "database_url": database_url})


@event.listens_for(Engine, "connect")
def do_not_wait_for_the_disk(connection: DBAPIConnection, _record: object) -> None:
    """Make SQLite faster: test data need not survive a power failure."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewDatabase]:
    """Return a function that creates an empty database, which is dropped after the run."""
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        yield lambda: f"sqlite:///{tmp_path_factory.mktemp('database')}/test.db"
        return

    url = settings(server).url
    admin = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    names: list[str] = []

    def make() -> str:
        names.append(f"test_{secrets.token_hex(6)}")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {names[-1]}")
        return url.set(database=names[-1]).render_as_string(hide_password=False)

    yield make
    with admin.connect() as connection:
        for name in names:
            connection.exec_driver_sql(f"DROP DATABASE {name}")


@pytest.fixture(scope="session", autouse=True)
def database_url(new_database: NewDatabase) -> Iterator[str]:
    """Create the database of the run with all tables, and make it the default of applications."""
    url = new_database()
    with create_app(settings(url)).app_context():
        upgrade()
        database.db.engine.dispose()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(UNSET, Environment.TESTING, url)
        yield url


@pytest.fixture(scope="session")
def app_with_own_database(make_app: Callable[..., Flask], new_database: NewDatabase) -> Flask:
    """Return an application with a database that no other application uses."""
    return make_app(database_url=new_database())


@pytest.fixture
def empty_app(app_with_own_database: Flask) -> Iterator[Flask]:
    """Return an application whose database has no tables before and after the test."""
    yield app_with_own_database
    engine = database.reading_engine.of(app_with_own_database)
    found = MetaData()
    found.reflect(engine)
    found.drop_all(engine)


@pytest.fixture
def toy_tables(database_url: str) -> Iterator[None]:
    """Have the tables of `tests/toy_tables.py` in the run's database, empty."""
    engine = create_engine(settings(database_url).url, poolclass=NullPool)
    ToyBase.metadata.create_all(engine)
    yield
    ToyBase.metadata.drop_all(engine)


@pytest.fixture(autouse=True)
def empty_database(database_url: str) -> Iterator[None]:
    """Delete all rows and close all connections after each test."""
    used: set[Engine] = set()

    def use(connection: Connection) -> None:
        used.add(connection.engine)

    event.listen(Engine, "engine_connect", use)
    yield
    event.remove(Engine, "engine_connect", use)
    name = make_url(database_url).database
    # Without a connection there is nothing to delete.
    if engine := next((engine for engine in used if engine.url.database == name), None):
        with engine.begin() as connection:
            for table in reversed(database.db.metadata.sorted_tables):
                connection.execute(table.delete())
    for engine in used:
        engine.dispose()


# {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
@pytest.fixture(autouse=True)
def emails_are_sent(request: pytest.FixtureRequest, empty_database: None) -> Iterator[None]:
    """Wait for the email thread before the database is emptied: it counts emails there."""
    del empty_database
    app = request.getfixturevalue("app")
    yield
    mail.email_queue.of(app).executor.submit(lambda: None).result()


# {% endif %}
@pytest.fixture
def count_queries() -> CountQueries:
    """Return a context manager that fails unless its block sends the expected number of queries."""

    @contextmanager
    def counting(expected: int) -> Iterator[None]:
        statements: list[str] = []

        def record(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            # Ignore the email thread, which may run at the same time.
            in_mail = current_thread().name.startswith("mail")
            if not statement.startswith("BEGIN") and not in_mail:
                statements.append(statement)

        event.listen(Engine, "before_cursor_execute", record)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", record)
        if len(statements) != expected:
            pytest.fail(f"{len(statements)} queries, not {expected}:\n" + "\n\n".join(statements))

    return counting


@pytest.fixture
def plan(app: Flask) -> Plan:
    """Return a function that returns the database's plan for a query, after updating statistics."""

    def explain(query: Query) -> str:
        engine = database.reading_engine.of(app)
        analyze, explain = EXPLAIN[engine.dialect.name]
        sql = query.compile(engine, compile_kwargs={"literal_binds": True})
        with engine.connect() as connection:
            for table in query.get_final_froms():
                connection.exec_driver_sql(f"{analyze} {table}")
            rows = connection.exec_driver_sql(f"{explain} {sql}").all()
        return "\n".join(" ".join(map(str, row)) for row in rows)

    return explain
