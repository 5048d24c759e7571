from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

from app.core.database import UTCDateTime, reading_engine, sqlite_copy

WHEN = datetime(2026, 11, 29, 12, 0, 0, 123_456, tzinfo=UTC)
ROWS: dict[str, list[dict[str, Any]]] = {
    "authors": [{"id": number, "name": f"Zoë {number}"} for number in range(1, 6)],
    "books": [{"id": UUID(int=1), "author_id": 2, "sold": True, "at": WHEN, "retained": "a"}],
    "retained": [{"id": UUID(int=7), "pages": 300, "at": datetime(2026, 1, 2)}],  # noqa: DTZ001
}


def models(*, everything: bool) -> sa.MetaData:
    """Return the models of today, or those of the time when the tables were created."""
    metadata = sa.MetaData()
    sa.Table(
        "authors",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(20), nullable=False),
    )
    columns = [
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("author_id", sa.ForeignKey("authors.id"), nullable=False),
        sa.Column("sold", sa.Boolean, nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
    ]
    if not everything:
        sa.Table("books", metadata, *columns)
        return metadata
    sa.Table("books", metadata, *columns, sa.Column("retained", sa.String(5)))
    sa.Table(
        "retained",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("pages", sa.Integer),
        sa.Column("at", sa.DateTime),
    )
    return metadata


def create(engine: sa.Engine, revision: str = "0001") -> None:
    """Create the tables, as a migration does."""
    with engine.begin() as connection:
        models(everything=True).create_all(connection)
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")  # noqa: S608


def stored(engine: sa.Engine) -> dict[str, list[dict[str, Any]]]:
    """Read all rows of the three tables."""
    with engine.connect() as connection:
        return {
            name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for name, table in models(everything=True).tables.items()
        }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return an SQLite file with rows."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/old.db", poolclass=sa.NullPool)
    create(engine)
    with engine.begin() as connection:
        for name, rows in ROWS.items():
            connection.execute(models(everything=True).tables[name].insert(), rows)
    return tmp_path / "old.db"


@pytest.fixture
def target(empty_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Return an application that has models for a part of its tables."""
    monkeypatch.setattr(sqlite_copy, "db", SimpleNamespace(metadata=models(everything=False)))
    monkeypatch.setattr(sqlite_copy, "MAX_AT_ONCE", 2)
    return empty_app


def copy(app: Flask, file: Path) -> Result:
    return app.test_cli_runner().invoke(args=["copy-from-sqlite", str(file)])


def test_all_rows_are_copied_also_those_without_a_model(target: Flask, file: Path) -> None:
    create(engine := reading_engine.of(target))

    result = copy(target, file)

    assert result.exit_code == 0, result.output
    assert "authors: 5 rows copied\n" in result.output
    assert stored(engine) == ROWS
    new = models(everything=True).tables["authors"].insert().values(name="New")
    with engine.connect() as connection:
        assert connection.execute(new).inserted_primary_key == (6,)


def test_only_an_empty_database_of_the_same_revision_is_copied_into(
    target: Flask, file: Path
) -> None:
    create(engine := reading_engine.of(target), "0002")
    assert "revision 0001, the database at 0002" in copy(target, file).output

    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        connection.exec_driver_sql("INSERT INTO authors (id, name) VALUES (9, 'Ann')")
    assert "The database has rows in authors" in copy(target, file).output
    assert len(stored(engine)["authors"]) == 1


# {% if cookiecutter.database == "postgresql" %}
def test_sequences_continue_above_the_copied_keys(
    target: Flask, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(reading_engine.of(target))
    statement = "INSERT INTO {table} ({key}, name) SELECT max({key}) + 1, 'next' FROM {table}"
    dialect = reading_engine.of(target).dialect.name
    monkeypatch.setitem(sqlite_copy.CONTINUE_SEQUENCE, dialect, statement)

    assert copy(target, file).exit_code == 0

    assert stored(reading_engine.of(target))["authors"][-1] == {"id": 6, "name": "next"}


# {% endif %}
def test_after_an_error_nothing_is_copied(target: Flask, file: Path) -> None:
    create(engine := reading_engine.of(target))
    with sa.create_engine(f"sqlite:///{file}").begin() as connection:
        connection.exec_driver_sql("UPDATE books SET at = 'long ago'")

    result = copy(target, file)

    assert result.exit_code == 1
    assert "Error: Nothing was copied. A row of books cannot be: " in result.output
    assert stored(engine) == {name: [] for name in ROWS}
