"""Pooled connections that are no longer usable: with simulated errors of drivers, and on a server."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import NullPool, create_engine, event, select
from werkzeug.test import TestResponse

from app.core.database import disconnects, reading, reading_engine, writing
from conftest import LogLines, MakeApp, body
from tests.database import READ_ONLY, NewDatabase
from tests.repeating import View, commit, on_a_server
from tests.toy_tables import Note, ToyBase

TEXTS = select(Note.text)


class Refused(sqlite3.OperationalError):
    """An error of a driver: psycopg's with a SQLSTATE, PyMySQL's with a number."""

    def __init__(self, code: object, message: str) -> None:
        super().__init__(code, message)
        self.sqlstate = code if isinstance(code, str) else None


class Refusing:
    """Makes the next statements of an application on SQLite fail with a driver's error."""

    def __init__(self, app: Flask) -> None:
        self.next: list[Exception] = []
        self.used: list[sqlite3.Connection] = []
        event.listen(reading_engine.of(app), "do_execute", self._execute)

    def _execute(self, cursor: sqlite3.Cursor, *_: object) -> None:
        self.used.append(cursor.connection)
        if self.next:
            raise self.next.pop(0)


@pytest.fixture(scope="module")
def view(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> View:
    file = tmp_path_factory.mktemp("refusing") / "x.db"
    return View(make_app(database_url=f"sqlite:///{file}"))


@pytest.fixture
def refusing(view: View) -> Iterator[Refusing]:
    refusing = Refusing(view.app)
    yield refusing
    event.remove(reading_engine.of(view.app), "do_execute", refusing._execute)  # noqa: SLF001


def read() -> None:
    with reading() as connection:
        connection.exec_driver_sql("SELECT 1")


def test_a_connection_that_no_longer_serves_is_replaced_and_the_request_runs_once_more(
    view: View, refusing: Refusing, log_lines: LogLines, subtests: pytest.Subtests
) -> None:
    for code, word in disconnects.REFUSALS.items():
        with subtests.test(str(code)):
            refusing.used.clear()
            refusing.next = [Refused(code, f"refused: {word}")]

            assert view.post(read, read).status_code == 200

            bad, good = refusing.used
            assert good is not bad
            (line,) = [line for line in log_lines if line["message"] == "request repeated"]
            assert line["retried"] is True
            (line,) = [line for line in log_lines if "connections replaced" in line["message"]]
            assert line["db.response.status_code"] == code
            log_lines.clear()


def test_one_refusal_replaces_every_pooled_connection(view: View, refusing: Refusing) -> None:
    engine = reading_engine.of(view.app)
    with ExitStack() as stack:
        pooled = [stack.enter_context(engine.connect()) for _ in range(3)]
        before = [connection.connection.dbapi_connection for connection in pooled]
    code, word = next(iter(disconnects.REFUSALS.items()))
    refusing.next = [Refused(code, word)]
    assert view.post(read, read).status_code == 200

    with ExitStack() as stack:
        pooled = [stack.enter_context(engine.connect()) for _ in range(3)]
        after = [connection.connection.dbapi_connection for connection in pooled]

    assert not [connection for connection in after if any(connection is old for old in before)]


def unavailable(response: TestResponse) -> bool:
    return (response.status_code, body(response)["code"], response.headers["Retry-After"]) == (
        503,
        "database_unavailable",
        "2",
    )


def test_a_second_refusal_is_a_503(view: View, refusing: Refusing) -> None:
    for code, word in disconnects.REFUSALS.items():
        refusing.next = [Refused(code, word), Refused(code, word)]

        assert unavailable(view.post(read, read))
        assert view.runs == 2


def test_a_request_that_has_committed_something_does_not_run_again(
    view: View, refusing: Refusing
) -> None:
    code, word = next(iter(disconnects.REFUSALS.items()))

    def act() -> None:
        with writing():
            pass
        refusing.next = [Refused(code, word)]
        read()

    assert unavailable(view.post(act))
    assert view.runs == 1


def test_an_ambiguous_code_counts_only_with_its_message(
    view: View, refusing: Refusing, log_lines: LogLines
) -> None:
    for code in (code for code, word in disconnects.REFUSALS.items() if word):
        refusing.used.clear()
        refusing.next = [Refused(code, "something else is not supported")]
        view.post(read, read)
        assert view.runs == 1

        view.post(read)
        bad, good = refusing.used
        assert good is bad
    assert "database connections replaced" not in {line["message"] for line in log_lines}


def test_a_connection_that_the_server_closes_is_replaced_without_repeating_the_request(
    view: View, refusing: Refusing
) -> None:
    for code in (*(disconnects.CLOSINGS - {"08"}), "08006", "08S01"):
        refusing.used.clear()
        refusing.next = [Refused(code, "closing")]
        assert unavailable(view.post(read, read))
        assert view.runs == 1

        view.post(read)
        bad, good = refusing.used
        assert good is not bad


@pytest.fixture(scope="module")
def own(make_app: MakeApp, new_database: NewDatabase) -> Iterator[View]:
    """Return a view of an application with a database of its own."""
    view = View(make_app(database_url=new_database(), database_pool_size=3))
    ToyBase.metadata.create_all(reading_engine.of(view.app))
    yield view
    reading_engine.of(view.app).dispose()


def warm(app: Flask, last: str = "SELECT 1") -> None:
    """Use three pooled connections until psycopg prepares the query, then call the given function."""
    with ExitStack() as stack:
        pooled = [stack.enter_context(reading_engine.of(app).connect()) for _ in range(3)]
        for connection in pooled:
            for _ in range(7):
                connection.execute(TEXTS)
            connection.exec_driver_sql(last)


def list_texts() -> None:
    with reading() as connection:
        connection.execute(TEXTS).all()


def do(app: Flask, statement: str) -> None:
    """Run a statement on a connection outside the pool."""
    url = reading_engine.of(app).url
    other = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with other.connect() as connection:
        connection.exec_driver_sql(statement)


def test_sessions_left_read_only_by_a_failover_write_again_at_the_first_request(own: View) -> None:
    on_a_server(own.app, *(READ_ONLY.keys() - {"sqlite"}))
    warm(own.app, READ_ONLY[reading_engine.of(own.app).dialect.name])

    assert own.post(commit, commit).status_code == 200
    assert own.runs == 2
    assert [own.post(commit).status_code for _ in range(5)] == [200] * 5


# {% if cookiecutter.database == "postgresql" %}
def test_a_column_widened_under_warm_connections_fails_no_request(own: View) -> None:
    on_a_server(own.app, "postgresql")
    warm(own.app)
    do(own.app, "ALTER TABLE notes ALTER COLUMN text TYPE varchar(32)")

    responses = [own.post(list_texts, list_texts) for _ in range(6)]

    assert [response.status_code for response in responses] == [200] * 6


def test_a_database_made_read_only_is_a_503_until_it_takes_writes_again(own: View) -> None:
    on_a_server(own.app, "postgresql")
    client, name = own.app.test_client(), reading_engine.of(own.app).url.database
    warm(own.app)
    do(own.app, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    reading_engine.of(own.app).dispose()

    assert unavailable(own.post(commit, commit))
    assert own.post(list_texts).status_code == 200
    assert client.get("/health/ready").status_code == 503

    other = create_engine(reading_engine.of(own.app).url, poolclass=NullPool)
    with other.connect() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")
        connection.exec_driver_sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        connection.commit()
    assert [own.post(commit, commit).status_code for _ in range(5)] == [200] * 5
    assert client.get("/health/ready").status_code == 200


def test_prepared_statements_that_a_pooler_lost_or_has_twice_fail_no_request(own: View) -> None:
    on_a_server(own.app, "postgresql")
    # The driver does not notice this, as when a pooler assigns another session.
    warm(own.app, "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
    assert own.post(list_texts, list_texts).status_code == 200
    assert own.runs == 2

    def read_with_names_taken() -> None:
        with reading() as connection:
            for number in range(20):
                connection.exec_driver_sql(f"PREPARE _pg3_{number} AS SELECT 1")
            for _ in range(7):
                connection.execute(TEXTS).all()

    assert own.post(read_with_names_taken, list_texts).status_code == 200
    assert own.runs == 2


def test_every_code_of_postgresql_is_met_on_a_server(own: View, subtests: pytest.Subtests) -> None:
    on_a_server(own.app, "postgresql")

    def refuse(code: str) -> None:
        raising = f"DO $$ BEGIN RAISE 'by the test' USING ERRCODE = '{code}'; END $$"
        with reading() as connection:
            connection.exec_driver_sql(raising)

    # 0A000 raised here has another source function in the server than after a schema change.
    for code in (code for code in disconnects.REFUSALS if isinstance(code, str)):
        if code == "0A000":
            continue
        with subtests.test(str(code)):
            assert own.post(partial(refuse, code), list_texts).status_code == 200
            assert own.runs == 2
    closings = {code for code in disconnects.CLOSINGS if isinstance(code, str)} - {"08"}
    for code in closings | {"08000", "08003", "08006", "08P01"}:
        with subtests.test(str(code)):
            assert unavailable(own.post(partial(refuse, code)))


def test_a_session_that_the_server_ends_is_replaced(own: View, subtests: pytest.Subtests) -> None:
    on_a_server(own.app, "postgresql")

    def terminated() -> None:
        with reading() as connection:
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    def idle(setting: str, begin: str) -> None:
        with reading() as connection:
            connection.exec_driver_sql(f"SET {setting} = '20ms'")
            connection.exec_driver_sql(begin)
            do(own.app, "SELECT pg_sleep(0.2)")
            connection.exec_driver_sql("SELECT 1")

    ways = {
        "57P01": partial(terminated),
        "57P05": partial(idle, "idle_session_timeout", "SELECT 1"),
        "25P03": partial(idle, "idle_in_transaction_session_timeout", "BEGIN"),
    }
    for code, way in ways.items():
        with subtests.test(code):
            assert unavailable(own.post(way))
            assert own.post(list_texts).status_code == 200


# {% endif %}
# {% if cookiecutter.database == "mysql" %}
def test_every_code_of_mariadb_is_met_on_a_server(own: View, subtests: pytest.Subtests) -> None:
    on_a_server(own.app, "mysql")
    with reading_engine.of(own.app).connect() as connection:
        if not getattr(connection.dialect, "is_mariadb", False):
            pytest.skip("MySQL signals errors in stored programs only")

    def refuse(code: object) -> None:
        text = f"The server is running with the --{disconnects.REFUSALS.get(code)} option"
        signal = f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = '{text}'"
        with reading() as connection:
            connection.exec_driver_sql(f"BEGIN NOT ATOMIC {signal}; END")

    for code in (code for code in disconnects.REFUSALS if isinstance(code, int)):
        with subtests.test(str(code)):
            assert own.post(partial(refuse, code), list_texts).status_code == 200
            assert own.runs == 2
    for code in (code for code in disconnects.CLOSINGS if isinstance(code, int)):
        with subtests.test(str(code)):
            assert unavailable(own.post(partial(refuse, code)))


def test_a_session_that_the_server_kills_is_replaced(own: View) -> None:
    on_a_server(own.app, "mysql")

    def killed() -> None:
        with reading() as connection:
            number = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
            do(own.app, f"KILL {number}")
            connection.execute(TEXTS)

    assert unavailable(own.post(killed))
    assert own.post(list_texts).status_code == 200


# {% endif %}
def test_an_error_of_another_kind_is_left_unchanged(view: View, refusing: Refusing) -> None:
    refusing.next = [RuntimeError()]

    assert view.post(read, read).status_code == 500
    assert view.runs == 1
