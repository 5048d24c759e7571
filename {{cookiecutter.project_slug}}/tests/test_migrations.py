import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, migrate, upgrade
from sqlalchemy import CheckConstraint, MetaData, func, inspect, select

from app.core.database import db, reading, reading_engine
from app.orders import service
from app.orders.models import OrderLine
from conftest import (
    MakeApp,
    # {% if cookiecutter.auth != "none" %}
    caller_id,
    # {% endif %}
)
from tests.database import NewDatabase

MIGRATIONS = Path(__file__).parents[1] / "migrations"
NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{head}"

def upgrade() -> None:
    with op.batch_alter_table("orders") as orders:
        orders.alter_column(
            "currency", type_=sa.String(4), existing_type=sa.String(3), existing_nullable=False
        )
"""


@pytest.fixture(scope="module")
def other(make_app: MakeApp, new_database: NewDatabase) -> Flask:
    """Return an application with a database of its own."""
    return make_app(database_url=new_database())


@pytest.fixture
def bare(other: Flask) -> Iterator[Flask]:
    """Return an application whose database has no table yet."""
    yield other
    found = MetaData()
    found.reflect(reading_engine(other))
    found.drop_all(reading_engine(other))


def tables(app: Flask) -> set[str]:
    return set(inspect(reading_engine(app)).get_table_names()) - {"alembic_version"}


def differences(app: Flask) -> list[object]:
    with reading_engine(app).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, db.metadata))


def test_the_migrations_make_what_the_models_say(app: Flask) -> None:
    assert tables(app) == set(db.metadata.tables)
    assert differences(app) == []


def test_the_migrations_make_the_checks_that_the_models_name(app: Flask) -> None:
    # Alembic does not compare checks.
    found = inspect(reading_engine(app))
    for name, table in db.metadata.tables.items():
        checks = {check["name"] for check in found.get_check_constraints(name)}
        said = {check.name for check in table.constraints if isinstance(check, CheckConstraint)}
        assert checks == said


def test_migrations_can_be_taken_back_and_made_again(bare: Flask) -> None:
    with bare.app_context():
        upgrade()
        downgrade(revision="base")
        assert tables(bare) == set()

        upgrade()
        assert differences(bare) == []


# {% if cookiecutter.auth == "jwt" %}
def test_a_new_database_holds_no_account(bare: Flask) -> None:
    accounts = select(func.count()).select_from(db.metadata.tables["users"])
    with bare.app_context():
        upgrade()
        with reading() as connection:
            assert connection.execute(accounts).scalar_one() == 0


# {% endif %}
@pytest.mark.slow
def test_a_new_migration_holds_what_the_database_lacks(bare: Flask, tmp_path: Path) -> None:
    history = copytree(MIGRATIONS, tmp_path / "migrations", ignore=ignore_patterns("*_*_*.py"))
    with bare.app_context():
        migrate(str(history), "Start anew")
        upgrade(str(history))
        assert differences(bare) == []

        migrate(str(history), "Nothing is left to do")

    (written,) = history.glob("versions/*_*_*.py")
    assert written.name.endswith("_start_anew.py")


def test_a_changed_table_keeps_the_rows_that_refer_to_it(bare: Flask, tmp_path: Path) -> None:
    history = copytree(MIGRATIONS, tmp_path / "migrations")
    head = ScriptDirectory(str(history)).get_current_head()
    (history / "versions" / "next.py").write_text(NEXT.format(head=head))
    lines = select(func.count()).select_from(OrderLine)
    with bare.app_context():
        upgrade()
        service.place(
            {
                "currency": "EUR",
                "lines": [{"sku": "TEA-100", "quantity": 1, "unit_price_cents": 450}],
            },
            # {% if cookiecutter.auth != "none" %}
            owner_id=caller_id(bare),
            # {% endif %}
        )

        # SQLite copies the table and drops the old one, which would delete the order's lines.
        upgrade(str(history))

        with reading() as connection:
            assert connection.execute(lines).scalar_one() == 1


def test_the_statements_can_be_printed_for_somebody_else_to_run(
    bare: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    with bare.app_context():
        upgrade(sql=True)

    assert "CREATE TABLE order_lines" in capsys.readouterr().out
    assert tables(bare) == set()


@pytest.mark.process
def test_migrations_write_the_lines_that_everything_writes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"],
        cwd=Path(__file__).parents[1],
        env={
            "PATH": os.environ["PATH"],
            "APP_ENV": "testing",
            "DATABASE_URL": f"sqlite:///{tmp_path}/new.db",
            "FLASK_SKIP_DOTENV": "1",
            "LOG_FORMAT": "json",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == ""
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    ran = [line for line in lines if line["message"].startswith("Running upgrade")]
    assert len(ran) > 0
    assert {line["command"] for line in ran} == {"python -m flask db upgrade"}
    assert {line["logger"] for line in ran} == {"alembic.runtime.migration"}
