import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree, ignore_patterns

import orjson
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import check, downgrade, migrate, upgrade
from sqlalchemy import CheckConstraint, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from app.core.database import (  # one line where it fits
    database_settings,
    db,
    migration_engine,
    migration_lock,
    reading,
    reading_engine,
    # {% if cookiecutter.database != "sqlite" %}
    settings,
    # {% endif %}
)
from conftest import LogLines, MakeApp
from tests.database import NewDatabase
from tests.waiting import HANG_TIMEOUT_SECONDS, wait_until

MIGRATIONS = Path(__file__).parents[1] / "migrations"
NOTES = """
import sqlalchemy as sa
from alembic import op

revision = "notes"
down_revision = "{head}"

def upgrade() -> None:
    op.create_table(
        "notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(3))
    )
    note = sa.ForeignKey("notes.id", ondelete="CASCADE", name="fk_remarks_note")
    op.create_table(
        "remarks", sa.Column("id", sa.Integer, primary_key=True), sa.Column("note_id", sa.Integer, note)
    )
    op.execute("INSERT INTO notes (id, text) VALUES (1, 'tea')")
    op.execute("INSERT INTO remarks (id, note_id) VALUES (1, 1)")
"""
NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "notes"

def upgrade() -> None:
    with op.batch_alter_table("notes") as notes:
        notes.alter_column("text", type_=sa.String(4), existing_type=sa.String(3))
"""


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Return a copy of the migrations and one more, which makes two tables with a row each."""
    copied = copytree(MIGRATIONS, tmp_path / "migrations")
    head = ScriptDirectory(str(copied)).get_current_head()
    (copied / "versions" / "notes.py").write_text(NOTES.format(head=head))
    return copied


def tables(app: Flask) -> set[str]:
    return set(inspect(reading_engine.of(app)).get_table_names()) - {"alembic_version"}


def test_the_migrations_create_the_tables_of_the_models(app: Flask) -> None:
    assert tables(app) >= set(db.metadata.tables)
    with app.app_context():
        check()


def test_the_migrations_make_the_checks_that_the_models_name(app: Flask) -> None:
    # Alembic does not compare checks.
    found = inspect(reading_engine.of(app))
    for name, table in db.metadata.tables.items():
        checks = {check["name"] for check in found.get_check_constraints(name)}
        declared = {check.name for check in table.constraints if isinstance(check, CheckConstraint)}
        assert checks >= declared


def test_migrations_can_be_taken_back_and_made_again(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade()
        downgrade(revision="base")
        assert tables(empty_app) == set()

        upgrade()
        check()


# {% if cookiecutter.database == "postgresql" %}
def test_a_schema_that_the_url_names_is_where_tables_are_made_and_read(
    make_app: MakeApp, new_database: NewDatabase
) -> None:
    url = new_database()
    if not url.startswith("postgresql"):
        pytest.skip("set TEST_DATABASE_URL to a server: postgresql")
    app = make_app(database_url=f"{url}?options=-csearch_path%3Dshop")
    with reading_engine.of(app).connect() as connection:
        connection.exec_driver_sql("CREATE SCHEMA shop")
    with app.app_context():
        upgrade()
        with reading() as connection:
            for table in db.metadata.sorted_tables:
                assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0

    made = inspect(reading_engine.of(app))
    assert set(made.get_table_names("shop")) >= {*db.metadata.tables, "alembic_version"}
    assert made.get_table_names("public") == []
    assert app.test_client().get("/health/ready").status_code == 200
    reading_engine.of(app).dispose()


# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
def test_a_new_database_holds_no_account(empty_app: Flask) -> None:
    accounts = select(func.count()).select_from(db.metadata.tables["users"])
    with empty_app.app_context():
        upgrade()
        with reading() as connection:
            assert connection.execute(accounts).scalar_one() == 0


# {% endif %}
@pytest.mark.slow
def test_a_new_migration_holds_what_the_database_lacks(empty_app: Flask, tmp_path: Path) -> None:
    history = copytree(MIGRATIONS, tmp_path / "migrations", ignore=ignore_patterns("versions"))
    (history / "versions").mkdir()
    with empty_app.app_context():
        migrate(str(history), "Start again")
        upgrade(str(history))
        check(str(history))

        migrate(str(history), "Nothing is left to do")

    written = [path.name.partition("_")[2] for path in history.glob("versions/*.py")]
    assert written == ["start_again.py"] * bool(db.metadata.tables)


def test_a_changed_table_keeps_the_rows_that_refer_to_it(empty_app: Flask, history: Path) -> None:
    remarks = select(func.count()).select_from(text("remarks"))
    with empty_app.app_context():
        upgrade(str(history))
        (history / "versions" / "next.py").write_text(NEXT)

        # SQLite copies the table and drops the old one, which would delete the note's remarks.
        upgrade(str(history))

        with reading() as connection:
            assert connection.execute(remarks).scalar_one() == 1


def test_the_statements_can_be_printed_for_somebody_else_to_run(
    empty_app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    # SQLite changes a table by a copy, which needs a database: there, only the first is printed.
    sqlite = reading_engine.of(empty_app).dialect.name == "sqlite"
    revision = "0001" if sqlite else "head"
    with empty_app.app_context():
        upgrade(revision=revision, sql=True)
        printed = set(re.findall(r"^CREATE TABLE (\w+) ", capsys.readouterr().out, re.MULTILINE))
        assert tables(empty_app) == set()

        upgrade(revision=revision)

    assert printed - {"alembic_version"} == tables(empty_app)


def command(url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `flask db` as a deployment does."""
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", "db", *arguments],
        cwd=Path(__file__).parents[1],
        env={
            "PATH": os.environ["PATH"],
            "APP_ENV": "testing",
            "DATABASE_URL": url,
            "FLASK_SKIP_DOTENV": "1",
            "LOG_FORMAT": "json",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outputs(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Wait for processes, which must all succeed; return the output of each."""
    logged = [process.communicate(timeout=HANG_TIMEOUT_SECONDS)[1] for process in processes]
    for process, output in zip(processes, logged, strict=True):
        assert process.returncode == 0, output
    return logged


@pytest.mark.process
def test_of_several_processes_one_migrates_and_the_others_find_nothing_to_do(
    new_database: NewDatabase,
) -> None:
    url = new_database()

    logged = outputs([command(url, "upgrade") for _ in range(3)])

    assert ["Running upgrade" in output for output in logged].count(True) == 1


# {% if cookiecutter.database == "postgresql" %}
CONCURRENT = """
from alembic import op

revision = "next"
down_revision = "notes"

def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("ix_next", "notes", ["text"], postgresql_concurrently=True)
"""


@pytest.mark.process
def test_processes_that_migrate_at_once_do_not_block_a_concurrent_index(
    new_database: NewDatabase, history: Path
) -> None:
    url = new_database()
    if not url.startswith("postgresql"):
        pytest.skip("set TEST_DATABASE_URL to a server: postgresql")
    (history / "versions" / "next.py").write_text(CONCURRENT)

    logged = outputs([command(url, "upgrade", "-d", str(history)) for _ in range(3)])

    assert ["Running upgrade" in output for output in logged].count(True) == 1


# {% endif %}
def refusal(app: Flask, log_lines: LogLines, history: Path = MIGRATIONS) -> str:
    """Return the error message of a failed migration."""
    with app.app_context(), pytest.raises(SystemExit) as ended:
        upgrade(str(history))
    assert ended.value.code == 1
    (line,) = [line for line in log_lines if line["level"] == "ERROR"]
    return str(line["message"])


def test_a_process_waits_for_another_that_migrates_no_longer_than_it_may(
    make_app: MakeApp, new_database: NewDatabase, log_lines: LogLines
) -> None:
    app = make_app(database_url=new_database(), database_migration_wait_timeout_seconds=0)
    engine = migration_engine(app)

    with engine.connect() as other, migration_lock.hold(other, database_settings.of(app)):
        assert "has not finished within" in refusal(app, log_lines)
    assert tables(app) == set()

    with app.app_context():
        upgrade()
    assert tables(app) >= set(db.metadata.tables)


def test_a_process_that_waits_goes_on_when_the_other_one_has_finished(
    app: Flask, log_lines: LogLines
) -> None:
    def wait_for_turn() -> str:
        with (
            engine.connect() as connection,
            migration_lock.hold(connection, database_settings.of(app)),
        ):
            return "its turn"

    engine = migration_engine(app)
    with ThreadPoolExecutor(1) as threads:
        with engine.connect() as other, migration_lock.hold(other, database_settings.of(app)):
            waiting = threads.submit(wait_for_turn)
            wait_until(
                lambda: "waiting for migration lock" in {line["message"] for line in log_lines}
            )
            assert not waiting.done()

        assert waiting.result(HANG_TIMEOUT_SECONDS) == "its turn"


HOLD = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": "LOCK TABLE notes IN ROW EXCLUSIVE MODE",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": "SELECT * FROM notes",
    # {% endif %}
    "sqlite": "BEGIN IMMEDIATE",
}
"""A statement whose transaction then blocks a change of the table."""


def test_a_migration_waits_for_a_lock_no_longer_than_it_may(
    make_app: MakeApp, new_database: NewDatabase, log_lines: LogLines, history: Path
) -> None:
    app = make_app(database_url=new_database(), database_migration_lock_timeout_seconds=1)
    with app.app_context():
        upgrade(str(history))
    (history / "versions" / "next.py").write_text(NEXT)

    with migration_engine(app).connect() as other:
        other.exec_driver_sql(HOLD[other.dialect.name])
        assert "another transaction uses the table" in refusal(app, log_lines, history)

    with app.app_context():
        upgrade(str(history))


def test_other_errors_of_a_migration_are_not_taken_for_a_lock(app: Flask) -> None:
    engine = migration_engine(app)

    with (
        pytest.raises(DBAPIError),
        engine.connect() as connection,
        migration_lock.hold(connection, database_settings.of(app)),
    ):
        connection.exec_driver_sql("SELECT nothing FROM nowhere")


def test_a_database_in_memory_needs_no_lock(make_app: MakeApp) -> None:
    app = make_app(database_url="sqlite://")

    with (
        reading_engine.of(app).connect() as connection,
        migration_lock.hold(connection, database_settings.of(app)),
    ):
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1


# {% if cookiecutter.database != "sqlite" %}
def test_a_session_of_a_server_retries_until_the_lock_is_free(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path}/x.db")
    results = iter([0, 0, 1])
    monkeypatch.setitem(migration_lock.TAKE_LOCK, "sqlite", "SELECT is_free()")
    monkeypatch.setattr(migration_lock, "POLL_SECONDS", 0.001)

    with migration_engine(app).connect() as connection:
        connection.connection.create_function("is_free", 0, lambda: next(results))
        with migration_lock.hold(connection, database_settings.of(app)):
            assert list(results) == []
            assert not connection.in_transaction()


def test_migrations_may_have_a_url_of_their_own(make_app: MakeApp) -> None:
    url = f"{next(iter(settings.DRIVERS))}://owner:pass-word@db.example/shop"
    app = make_app(database_migration_url=url)

    assert migration_engine(app).url.host == "db.example"
    assert reading_engine.of(app).url.host != "db.example"
    assert "pass-word" not in str(database_settings.of(app))


# {% endif %}
# {% if cookiecutter.database == "postgresql" %}
def test_without_a_session_of_their_own_migrations_refuse_to_run(
    make_app: MakeApp, new_database: NewDatabase, log_lines: LogLines
) -> None:
    app = make_app(database_url=new_database(), database_transaction_pooling=True)

    assert "set DATABASE_MIGRATION_URL" in refusal(app, log_lines)
    assert tables(app) == set()


# {% endif %}
@pytest.mark.process
def test_migrations_write_the_lines_that_everything_writes(tmp_path: Path) -> None:
    done = command(f"sqlite:///{tmp_path}/new.db", "upgrade")
    stdout, stderr = done.communicate(timeout=HANG_TIMEOUT_SECONDS)

    assert (done.returncode, stdout) == (0, "")
    lines = [orjson.loads(line) for line in stderr.splitlines()]
    ran = [line for line in lines if line["message"].startswith("Running upgrade")]
    assert len(ran) > 0
    assert {line["command"] for line in ran} == {"python -m flask db upgrade"}
    assert {line["logger"] for line in ran} == {"alembic.runtime.migration"}
