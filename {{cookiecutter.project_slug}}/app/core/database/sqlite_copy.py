"""Copy all rows of an SQLite file into the service's database: `flask --app app copy-from-sqlite`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from app.core.database.autogenerate import VERSION_TABLE
from app.core.database.dialects import connect_args
from app.core.database.engine import database_settings, db, migration_engine

MAX_AT_ONCE = 1_000
# {% if cookiecutter.database == "postgresql" %}
CONTINUE_SEQUENCE = {
    "postgresql": "SELECT setval(pg_get_serial_sequence('{table}', '{key}'), max({key})) FROM {table}"
}
"""The statement after which a column generates values above those that were copied."""
# {% endif %}


def type_of(column: sa.Column[Any]) -> TypeEngine[Any]:
    """Return the model's type of a reflected column, or one that both databases understand."""
    model = db.metadata.tables.get(column.table.name)
    if model is not None and column.name in model.columns:
        return model.columns[column.name].type
    return column.type.as_generic(allow_nulltype=True)


def tables(target: sa.Connection) -> list[sa.Table]:
    """List the tables of a database, each after those that it refers to."""
    found = sa.MetaData()
    found.reflect(target)
    return [table for table in found.sorted_tables if table.name != VERSION_TABLE]


def refuse(source: sa.Connection, target: sa.Connection, found: list[sa.Table]) -> None:
    """Raise a `ClickException` if the tables differ, or if there are rows in the target."""
    revisions = [MigrationContext.configure(each).get_current_heads() for each in (source, target)]
    if revisions[0] != revisions[1]:
        file, database = (", ".join(each) or "none" for each in revisions)
        message = (
            f"The file is at revision {file}, the database at {database}: make migrate, on both."
        )
        raise click.ClickException(message)
    filled = [
        table.name
        for table in found
        if target.execute(
            sa.select(sa.exists(sa.select(sa.literal(1)).select_from(table)))
        ).scalar()
    ]
    if filled:
        message = f"The database has rows in {', '.join(filled)}: copy into an empty one."
        raise click.ClickException(message)


def copied(
    source: sa.Connection, target: sa.Connection, found: list[sa.Table]
) -> Iterator[tuple[str, int]]:
    """Copy the rows of each table; yield its name and their number.

    Raises:
        ClickException: for a value that the file or the database does not accept.

    """
    for reflected in found:
        columns = (sa.column(each.name, type_of(each)) for each in reflected.columns)
        table = sa.table(reflected.name, *columns)
        number = 0
        try:
            for rows in source.execute(sa.select(table)).mappings().partitions(MAX_AT_ONCE):
                target.execute(sa.insert(table), [dict(row) for row in rows])
                number += len(rows)
        except (ValueError, DBAPIError) as error:
            message = f"Nothing was copied. A row of {table.name} cannot be: {error}"
            raise click.ClickException(message) from error
        yield table.name, number


# {% if cookiecutter.database == "postgresql" %}
def continue_sequences(target: sa.Connection, found: list[sa.Table]) -> None:
    """Let columns that generate their values continue above the rows that were copied."""
    if not (statement := CONTINUE_SEQUENCE.get(target.dialect.name)):
        return
    for table in found:
        for key in table.primary_key.columns:
            if isinstance(key.type, sa.Integer):
                target.exec_driver_sql(statement.format(table=table.name, key=key.name))


# {% endif %}
@click.command("copy-from-sqlite")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_appcontext
def copy_from_sqlite(file: Path) -> None:
    """Copy all rows of an SQLite file into this database, which must be migrated and empty."""
    url = sa.URL.create("sqlite", database=str(file))
    arguments = connect_args(database_settings.current, url)
    engine = sa.create_engine(
        url, poolclass=sa.NullPool, hide_parameters=True, connect_args=arguments
    )
    with engine.connect() as source, migration_engine(current_app).begin() as target:
        found = tables(target)
        refuse(source, target, found)
        for name, number in copied(source, target, found):
            click.echo(f"{name}: {number} rows copied")
        # {% if cookiecutter.database == "postgresql" %}
        continue_sequences(target, found)
        # {% endif %}


def init_app(app: Flask) -> None:
    """Register the command."""
    app.cli.add_command(copy_from_sqlite)
