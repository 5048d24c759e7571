import ast
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import ValidationError
from sqlalchemy import Dialect, event, func, make_url, select, text
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError, OperationalError

from app.core.database import (  # one line where it fits
    # {% if cookiecutter.background_tasks %}
    AFTER_COMMIT,
    # {% endif %}
    UTCDateTime,
    db,
    migration_engine,
    reading,
    reading_engine,
    writing,
)
from app.core.database.engine import engine_options
from app.core.database.settings import DRIVERS
from app.settings import Settings
from conftest import LogLines, MakeApp, body
from tests.database import READ_ONLY, CountQueries, NewDatabase
from tests.toy_tables import Note, Remark, stored_notes
from tests.waiting import HANG_TIMEOUT_SECONDS

pytestmark = pytest.mark.usefixtures("toy_tables")

# Each URL sets a parameter for which we or the driver have a default.
PARAMETERS = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql+psycopg://h/x?connect_timeout=7": "connect_timeout",
    "postgresql+psycopg://h/x?application_name=shop": "application_name",
    "postgresql+psycopg://h/x?keepalives_idle=9": "keepalives_idle",
    "postgresql+psycopg://h/x?sslmode=verify-full": "sslmode",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql+pymysql://h/x?connect_timeout=7": "connect_timeout",
    "mysql+pymysql://h/x?read_timeout=8": "read_timeout",
    "mysql+pymysql://h/x?charset=utf8mb4": "charset",
    # {% endif %}
    "sqlite:///x.db?timeout=3.5": "timeout",
}
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def settings(**values: object) -> Settings:
    return Settings.model_validate({"app_env": "testing", **values})


def test_an_unset_url_is_a_file_in_development() -> None:
    assert settings(app_env="development").url.drivername == "sqlite"


def test_an_unset_url_is_refused_in_production(production: dict[str, str]) -> None:
    del production["database_url"]

    with pytest.raises(ValidationError, match="is required in production"):
        Settings.model_validate(production)


def test_production_takes_only_the_database_that_this_service_is_made_for(
    production: dict[str, str],
) -> None:
    for scheme in ("postgresql", "mysql", "mariadb", "sqlite", "oracle"):
        server = "" if scheme == "sqlite" else "user:pass-word@db.example"
        production["database_url"] = f"{scheme}://{server}/service"

        if scheme in DRIVERS:
            assert Settings.model_validate(production).url.drivername == DRIVERS[scheme]
        else:
            with pytest.raises(ValidationError, match="must be the URL of a database, beginning"):
                Settings.model_validate(production)


def test_a_url_of_another_kind_is_refused_without_repeating_it() -> None:
    for url in ("service.db", "oracle://host/x", "sqlite://host:port/x", "://?"):
        with pytest.raises(ValidationError) as refused:
            settings(database_url=url)

        (error,) = refused.value.errors(include_url=False, include_input=False)
        assert "sqlite://" in error["msg"]
        assert url not in error["msg"]


# {% if cookiecutter.database == "postgresql" %}
def test_the_schemes_that_platforms_and_other_drivers_write_mean_ours() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"):
        made = settings(database_url=f"{scheme}://shop@db.example/shop?sslmode=require")

        assert made.url.drivername == "postgresql+psycopg"
        assert made.url.query == {"sslmode": "require"}


# {% endif %}
# {% if cookiecutter.database == "mysql" %}
def test_the_schemes_of_both_servers_mean_one_driver() -> None:
    for scheme in ("mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"):
        made = settings(database_url=f"{scheme}://shop@db.example/shop?charset=utf8mb4")

        assert made.url.drivername == "mysql+pymysql"
        assert made.url.query == {"charset": "utf8mb4"}


# {% endif %}
UNFIT = [
    # {% if cookiecutter.database == "mysql" %}
    "mysql://db.example/shop?ssl_check_hostname=soon",
    "mysql://db.example/shop?charset=soon",
    "mysql://db.example/shop?read_timeout=0",
    # {% endif %}
    "sqlite:///x.db?timeout=soon",
    "sqlite://soon.example/x",
]
UNKNOWN = [
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql://db.example/shop?schema=shop",
    "postgresql://db.example/shop?prepare_threshold=0",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql://db.example/shop?ssl-mode=REQUIRED",
    "mysql://db.example/shop?local_infile=1",
    # {% endif %}
    "sqlite:///x.db?mode=ro",
]


def test_a_parameter_that_the_driver_does_not_know_is_refused_by_name() -> None:
    for url in UNKNOWN:
        name = url.partition("?")[2].partition("=")[0]

        with pytest.raises(ValidationError, match=f"has the parameter {name}, which this data"):
            settings(database_url=url)


def test_an_impossible_port_is_refused(production: dict[str, str]) -> None:
    scheme = production["database_url"].partition(":")[0]
    for port in (0, 65_536):
        with pytest.raises(ValidationError, match="has a port that is not from 1 to 65535"):
            settings(database_url=f"{scheme}://db.example:{port}/shop")


def test_a_parameter_whose_value_does_not_fit_is_refused_without_repeating_it() -> None:
    for url in UNFIT:
        with pytest.raises(ValidationError, match="that its driver does not take") as refused:
            settings(database_url=url)

        assert "soon" not in str(refused.value)


def test_a_repeated_parameter_is_refused() -> None:
    with pytest.raises(ValidationError, match="has the parameter timeout more than once"):
        settings(database_url="sqlite:///x.db?timeout=1&timeout=2")


def test_a_password_that_is_not_encoded_is_refused_without_repeating_any_of_it() -> None:
    with pytest.raises(ValidationError, match="write %40 there") as refused:
        settings(database_url="sqlite://shop:pass-w@rd?s3cret=yes@db.example/x")

    assert "s3cret" not in str(refused.value)


# {% if cookiecutter.database == "mysql" %}
def test_an_init_command_that_cannot_be_joined_is_refused() -> None:
    with pytest.raises(ValidationError, match="not one SET statement"):
        settings(database_url="mysql://db.example/shop?init_command=CALL%20prepare()")


# {% endif %}
def test_no_warning_about_the_url_when_the_environment_is_unknown() -> None:
    with pytest.raises(ValidationError) as refused:
        settings(app_env="staging")

    assert [error["loc"] for error in refused.value.errors()] == [("app_env",)]


def test_user_and_password_never_print(production: dict[str, str]) -> None:
    text = str(Settings.model_validate(production))

    assert "pass-word" not in text
    assert "service:" not in text


def test_fewer_connections_than_threads_are_warned_about() -> None:
    scarce = {"database_pool_size": 1, "database_max_overflow": 2}

    (warning,) = [
        warning for warning in settings(**scarce, web_threads=4).warnings() if "POOL" in warning
    ]
    assert "WEB_THREADS" in warning
    assert "POOL" not in str(settings(**scarce, web_threads=3).warnings())


def test_the_pool_follows_the_settings() -> None:
    options = engine_options(
        settings(
            database_url="sqlite:///x.db",
            database_pool_size=7,
            database_max_overflow=3,
            database_pool_timeout_seconds=1.5,
            database_pool_recycle_seconds=60,
        )
    )

    assert options["pool_size"] == 7
    assert options["max_overflow"] == 3
    assert options["pool_timeout"] == 1.5
    assert options["pool_recycle"] == 60
    assert options["pool_pre_ping"] is True


# {% if cookiecutter.database == "postgresql" %}
def test_postgresql_gets_time_limits_and_utc() -> None:
    made = settings(
        database_url="postgresql://host/x",
        database_statement_timeout_ms=250,
        database_connect_timeout_seconds=3,
    )

    connect_args = engine_options(made)["connect_args"]

    assert connect_args["connect_timeout"] == 3
    assert connect_args["options"] == "-c statement_timeout=250 -c timezone=UTC"
    assert connect_args["tcp_user_timeout"] == 3250
    assert connect_args["fallback_application_name"] == made.service_name


# {% endif %}
# {% if cookiecutter.database == "mysql" %}
def test_mysql_and_mariadb_get_time_limits_and_utc_in_one_statement() -> None:
    made = settings(
        database_url="mysql://host/x",
        database_statement_timeout_ms=250,
        database_connect_timeout_seconds=3,
    )

    connect_args = engine_options(made)["connect_args"]

    assert connect_args["connect_timeout"] == 3
    assert connect_args["read_timeout"] == connect_args["write_timeout"] == 3.25
    assert connect_args["init_command"] == (
        "SET time_zone = '+00:00', innodb_lock_wait_timeout = 1"
        "/*!80000 , max_execution_time = 250 */"
        "/*M! , max_statement_time = 0.25 */"
    )


# {% endif %}
def test_the_parameters_of_the_url_take_precedence_and_none_is_dropped() -> None:
    for url, name in PARAMETERS.items():
        made = settings(database_url=url)
        connect_args = engine_options(made)["connect_args"]
        dialect = make_url(url).get_dialect()()
        _, parsed = dialect.create_connect_args(made.url)

        # In SQLAlchemy, `connect_args` overrides the parameters of the URL.
        assert name not in connect_args
        assert str(parsed[name]) in url, url


# {% if cookiecutter.database == "postgresql" %}
def test_options_of_a_postgresql_url_are_joined_with_ours_and_count() -> None:
    made = settings(database_url="postgresql://h/x?options=-csearch_path%3Dshop")

    options = engine_options(made)["connect_args"]["options"]

    assert options == "-c statement_timeout=10000 -c timezone=UTC -csearch_path=shop"


def test_in_transaction_pooling_nothing_is_sent_that_a_session_would_keep() -> None:
    pooled = settings(database_url="postgresql://h/x", database_transaction_pooling=True)
    connect_args = engine_options(pooled)["connect_args"]

    assert "options" not in connect_args
    assert connect_args["prepare_threshold"] is None
    (warning,) = [warning for warning in pooled.warnings() if "POOLING" in warning]
    assert "DATABASE_MIGRATION_URL" in warning


def test_prepared_statements_can_be_switched_by_themselves() -> None:
    for pooling, prepared in ((True, True), (False, False)):
        made = settings(
            database_url="postgresql://h/x",
            database_transaction_pooling=pooling,
            database_prepared_statements=prepared,
        )

        connect_args = engine_options(made)["connect_args"]

        assert ("prepare_threshold" in connect_args) is not prepared


# {% endif %}
# {% if cookiecutter.database == "mysql" %}
def test_an_init_command_of_a_mysql_url_is_joined_with_ours_and_counts() -> None:
    made = settings(database_url="mysql://h/x?init_command=set%20sql_mode%3D'ANSI'")

    init_command = engine_options(made)["connect_args"]["init_command"]

    assert init_command.startswith("SET time_zone = '+00:00', ")
    assert init_command.endswith(", sql_mode='ANSI'")


# {% endif %}
# {% if cookiecutter.database == "postgresql" %}
def test_options_of_the_environment_are_joined_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=shop")

    options = engine_options(settings(database_url="postgresql://h/x"))["connect_args"]["options"]

    assert options.startswith("-c search_path=shop -c statement_timeout=10000 ")


# {% endif %}
# By dialect: the parameters added to the URL, a query of session settings, and its expected result
# in requests and in migrations.
SESSIONS = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": (
        "options=-csearch_path%3Dshop&application_name=till",
        """SELECT current_setting('search_path'), current_setting('application_name'),
        current_setting('timezone'), current_setting('statement_timeout'),
        current_setting('lock_timeout')""",
        ("shop", "till", "UTC", "10s", "0"),
        ("shop", "till", "UTC", "0", "10s"),
    ),
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": (
        "init_command=SET%20sql_auto_is_null%3D1&charset=latin1",
        """SELECT @@sql_auto_is_null, @@character_set_client, @@time_zone, @@innodb_lock_wait_timeout
        /*M! , CAST(@@max_statement_time AS INT) *//*!80000 , @@max_execution_time DIV 1000 */""",
        (1, "latin1", "+00:00", 10, 10),
        (1, "latin1", "+00:00", 10, 0),
    ),
    # {% endif %}
    "sqlite": ("timeout=3.5", "PRAGMA busy_timeout", (3_500,), (3_500,)),
}


def test_requests_and_migrations_get_the_options_of_the_url_and_ours(
    make_app: MakeApp, new_database: NewDatabase
) -> None:
    url = new_database()
    more, query, *expected = SESSIONS[make_url(url).get_backend_name()]
    app = make_app(database_url=f"{url}?{more}")

    for engine, row in zip((reading_engine.of(app), migration_engine(app)), expected, strict=True):
        with engine.connect() as connection:
            assert tuple(connection.exec_driver_sql(query).one()) == row
        engine.dispose()


@pytest.mark.slow
def test_every_engine_is_made_by_the_one_recipe() -> None:
    root = Path(__file__).parents[3]
    for path in (*root.glob("app/**/*.py"), root / "migrations" / "env.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and "create_engine" in ast.unparse(node.func):
                arguments = {keyword.arg for keyword in node.keywords}
                assert "connect_args" in arguments, f"{path}:{node.lineno}"


DIALECTS: list[Dialect] = [mysql.dialect(), postgresql.dialect(), sqlite.dialect()]  # type: ignore[no-untyped-call]  # SQLAlchemy's


def test_a_time_is_stored_and_read_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    column = UTCDateTime()
    for dialect in DIALECTS:
        stored = column.process_bind_param(datetime(2026, 11, 22, 13, tzinfo=berlin), dialect)

        assert stored is not None, dialect.name
        assert stored.replace(tzinfo=UTC) == NOON, dialect.name
        returned = column.process_result_value(stored, dialect)
        assert returned == NOON, dialect.name
        assert returned.tzinfo is UTC, dialect.name
        assert column.process_result_value(NOON.astimezone(berlin), dialect) == NOON, dialect.name
        assert column.process_bind_param(None, dialect) is None, dialect.name
        assert column.process_result_value(None, dialect) is None, dialect.name


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        UTCDateTime().process_bind_param(datetime(2026, 11, 22), sqlite.dialect())  # noqa: DTZ001


def test_a_time_keeps_its_microseconds(app: Flask) -> None:
    moment = NOON + timedelta(microseconds=123_457)
    with app.app_context():
        with writing() as session:
            session.add(Note(created_at=moment))
        with reading() as connection:
            assert connection.execute(select(Note.created_at)).scalar_one() == moment


def test_changes_are_committed_at_the_end(app: Flask) -> None:
    with app.app_context():
        with writing() as session:
            session.add(Note())
        assert stored_notes() == 1


def test_an_exception_rolls_everything_back(app: Flask) -> None:
    def add_and_roll_back() -> None:
        with writing() as session:
            session.add(Note())
            session.flush()
            raise KeyError

    with app.app_context():
        with pytest.raises(KeyError):
            add_and_roll_back()
        assert stored_notes() == 0


def test_the_session_of_flask_sqlalchemy_has_transactions_too(app: Flask) -> None:
    with app.app_context():
        db.session.add(Note())
        db.session.flush()
        db.session.rollback()
        assert stored_notes() == 0


def test_reading_sees_what_is_committed_meanwhile(app: Flask) -> None:
    count = select(func.count()).select_from(Note)
    with app.app_context(), reading() as connection:
        before = connection.execute(count).scalar_one()
        with writing() as session:
            session.add(Note())
        after = connection.execute(count).scalar_one()

    assert (before, after) == (0, 1)


def test_reading_and_writing_share_one_pool_and_leave_its_connections_unchanged(app: Flask) -> None:
    with app.app_context():
        with writing() as session:
            session.add(Note())
        with reading() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            assert connection.dialect.detect_autocommit_setting(raw)
        assert db.engine.pool is reading_engine.of(app).pool
        assert (
            reading_engine.of(app).pool.status().startswith("Pool size: 5  Connections in pool: 1")
        )


def test_applications_share_no_connections_and_one_in_memory_has_but_one(
    app: Flask, make_app: MakeApp
) -> None:
    other = make_app(database_url="sqlite://")

    assert reading_engine.of(other).pool is not reading_engine.of(app).pool
    with other.app_context(), reading() as connection:
        assert connection.execute(select(1)).scalar_one() == 1


def test_counted_queries_are_listed_when_they_are_not_as_many(
    app: Flask, count_queries: CountQueries
) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"1 queries, not 2:\nSELECT count"):  # noqa: SIM117
        with app.app_context(), count_queries(2):
            stored_notes()


def test_foreign_keys_are_checked(app: Flask) -> None:
    with app.app_context(), pytest.raises(IntegrityError), writing() as session:
        session.add(Remark(note_id=uuid4()))


def test_every_foreign_key_has_an_index() -> None:
    for table in db.metadata.sorted_tables:
        indexes = [list(table.primary_key.columns), *(list(i.columns) for i in table.indexes)]
        for key in table.foreign_key_constraints:
            columns = list(key.columns)
            assert any(index[: len(columns)] == columns for index in indexes), key.name


def test_values_do_not_reach_the_logs_with_an_error(app: Flask) -> None:
    with app.app_context(), reading() as connection, pytest.raises(Exception) as refused:  # noqa: PT011
        connection.execute(text("SELECT :value FROM nowhere"), {"value": "somebody's address"})

    assert "somebody" not in str(refused.value)


def counting(app: Flask) -> Flask:
    """Add a route that reads to an application that only one test uses."""
    app.add_url_rule("/stored", "stored", lambda: str(stored_notes()))
    return app


def assert_unavailable(client: FlaskClient) -> None:
    response = client.get("/stored")

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "2"
    assert response.json is not None
    assert response.json["code"] == "database_unavailable"
    assert set(response.json) == {"type", "title", "status", "code", "detail", "request_id"}


@pytest.fixture(scope="module")
def away(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """Return an application whose database does not respond."""
    file = tmp_path_factory.getbasetemp() / "missing" / "x.db"
    return counting(make_app(database_url=f"sqlite:///{file}"))


def test_a_database_that_is_away_is_a_503_and_one_line_in_the_log(
    away: Flask, log_lines: LogLines
) -> None:
    assert_unavailable(away.test_client())

    (line,) = [line for line in log_lines if line["message"] == "database unavailable"]
    assert line["exception.message"] == "unable to open database file"


def test_a_database_that_is_away_makes_the_service_unready(
    away: Flask, client: FlaskClient
) -> None:
    response = away.test_client().get("/health/ready")

    assert response.status_code == 503
    assert response.json is not None
    assert response.json["checks"]["database"] == "down"
    ready = client.get("/health/ready")
    assert ready.json is not None
    assert ready.json["checks"]["database"] == "ok"


@pytest.fixture
def own(make_app: MakeApp) -> Iterator[Flask]:
    """Return an application whose pool no other test has."""
    app = make_app()
    yield app
    reading_engine.of(app).dispose()


def test_readiness_is_not_misled_by_sessions_left_read_only_by_a_failover(own: Flask) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(reading_engine.of(own).connect())
            connection.exec_driver_sql(READ_ONLY[connection.dialect.name])

    assert own.test_client().get("/health/ready").status_code == 200


def test_readiness_notices_a_database_that_takes_no_writes_until_it_does(
    own: Flask, log_lines: LogLines
) -> None:
    engine, client = reading_engine.of(own), own.test_client()

    def open_read_only(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(READ_ONLY[engine.dialect.name])
        cursor.close()

    event.listen(engine, "connect", open_read_only)
    engine.dispose()
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert body(response)["checks"]["database"] == "down"
    assert "database read-only" in {line["message"] for line in log_lines}
    event.remove(engine, "connect", open_read_only)

    assert client.get("/health/ready").status_code == 200


def test_readiness_notices_a_file_that_takes_no_writes(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_app(database_url=f"sqlite:///{tmp_path / 'x.db'}").test_client()
    assert client.get("/health/ready").status_code == 200

    for place in (tmp_path / "x.db", tmp_path):
        # The tests may run as root, which can write to every file.
        monkeypatch.setattr(os, "access", lambda path, _mode, place=place: Path(path) != place)
        assert client.get("/health/ready").status_code == 503
    monkeypatch.undo()

    assert client.get("/health/ready").status_code == 200


def test_a_pool_without_a_free_connection_is_a_503(make_app: MakeApp) -> None:
    app = counting(
        make_app(
            database_pool_size=1,
            database_max_overflow=0,
            database_pool_timeout_seconds=0.01,
            web_threads=1,
        )
    )

    with app.app_context(), reading():
        assert_unavailable(app.test_client())


# Statements that run for long unless the statement timeout stops them.
SLOW = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": "SELECT pg_sleep(600)",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, "
    "information_schema.columns c",
    # {% endif %}
    "sqlite": "BEGIN IMMEDIATE",  # waits for the other writer
}


# {% if cookiecutter.background_tasks %}
def test_work_that_waits_for_a_commit_runs_after_it_and_never_without(app: Flask) -> None:
    stored: list[int] = []

    def record_stored_notes() -> None:
        stored.append(stored_notes())

    def store_nothing() -> None:
        with writing() as session:
            session.info[AFTER_COMMIT] = [record_stored_notes]
            session.add(Remark(note_id=uuid4()))

    with app.app_context():
        with pytest.raises(IntegrityError):
            store_nothing()
        assert stored == []

        with writing() as session:
            session.info[AFTER_COMMIT] = [record_stored_notes]
            session.add(Note())

    assert stored == [1]


# {% endif %}
def test_a_statement_that_takes_too_long_is_stopped(app: Flask, make_app: MakeApp) -> None:
    hasty = reading_engine.of(make_app(database_statement_timeout_ms=50))
    started = time.monotonic()

    with app.app_context(), writing() as session:
        session.add(Note())
        session.flush()
        with hasty.connect() as connection, pytest.raises(OperationalError):
            connection.exec_driver_sql(SLOW[hasty.dialect.name])

    assert time.monotonic() - started < HANG_TIMEOUT_SECONDS
