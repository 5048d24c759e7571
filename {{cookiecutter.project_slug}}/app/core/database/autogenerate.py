"""What `flask db migrate` writes: migrations that keep the rows that exist.

- A new column that must have a value gets a server default: the rows that exist need a value, and so do
  those that the previous version of the service inserts during a deployment.
- A column with an enum gets a new check when its enum has other values. Alembic compares no checks.
- The indexes of a table are dropped with it: MySQL drops none that a foreign key needs.
- A table or a column that `migrations/retained.toml` lists is not dropped, although no model describes
  it. `flask retain` writes this list.
"""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeGuard, cast

import click
import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.rewriter import Rewriter
from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    DropConstraintOp,
    DropTableOp,
    MigrateOperation,
    MigrationScript,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy.schema import conv
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

from app.core.database.engine import db, reading_engine
from app.core.database.types import UTCDateTime

RETAINED = "retained.toml"
HEADER = """\
# Tables and columns that no model describes any more. No new migration drops them, so their rows stay.
# To drop one, delete its line and run: make makemigration m="drop <name>"
"""
VERSION_TABLE = "alembic_version"
TEXT_IN_SQL = re.compile(r"'((?:[^']|'')*)'")

# What Alembic compares and may drop
SchemaObject = sa.Table | sa.Column[Any] | sa.Index | sa.UniqueConstraint | sa.ForeignKeyConstraint


def render_item(kind: str, item: object, autogenerate: AutogenContext) -> str | Literal[False]:
    """Render our own column type by its short name, and add its import."""
    if kind == "type" and isinstance(item, UTCDateTime):
        autogenerate.imports.add("\nfrom app.core.database import UTCDateTime\n")
        return "UTCDateTime()"
    return False


def neutral(kind: TypeEngine[Any]) -> str | ColumnElement[bool] | None:
    """Return the value of existing rows in a new column; None if only a person can choose it."""
    if isinstance(kind, sa.Enum):
        return str(kind.enums[0])
    if isinstance(kind, sa.Uuid):
        return "0" * 32
    if isinstance(kind, sa.Boolean):
        return sa.false()
    if isinstance(kind, sa.Integer | sa.Numeric):
        return "0"
    # MySQL has no default for TEXT.
    return "" if isinstance(kind, sa.String) and not isinstance(kind, sa.Text) else None


def writes_migration() -> bool:
    """Return whether the command is `flask db migrate`, and not `flask db check`."""
    return bool(getattr(context.config.cmd_opts, "autogenerate", False))


process_directives = Rewriter()


@process_directives.rewrites(AddColumnOp)
def keep_rows_valid(
    migration: MigrationContext, revision: object, operation: AddColumnOp
) -> AddColumnOp:
    """Give a new column that must have a value a server default, or let it be empty at first."""
    del migration, revision
    column = operation.column
    if column.nullable or column.server_default is not None:
        return operation
    name = f"{operation.table_name}.{column.name}"
    value = None if column.foreign_keys else neutral(column.type)
    hint = (
        "the migration lets this column be empty, because its value for existing rows is unknown."
        " Fill it in the migration, then create a second one, which makes it NOT NULL."
        if value is None
        else f"existing rows get {str(value)!r}; change it in the migration."
    )
    if writes_migration():
        click.echo(f"{name}: {hint}", err=True)
    # A copy, because the operation's column is the one of the model.
    copied = sa.Column(
        column.name,
        column.type,
        nullable=value is None,
        server_default=value,
        comment=column.comment,
    )
    return AddColumnOp(operation.table_name, copied, schema=operation.schema)


def has_check(kind: object) -> TypeGuard[sa.Enum]:
    """Return whether a type is an enum whose column has a check of its values."""
    return isinstance(kind, sa.Enum) and kind.create_constraint


def check_name(table: str, kind: sa.Enum) -> str:
    """Return the name of the check of an enum, by the naming convention of `Base`."""
    return conv(f"ck_{table}_{kind.name}")


def checked_values(migration: MigrationContext, table: str, kind: sa.Enum) -> list[str]:
    """Return the values that the database's check of an enum lists; none without a check."""
    found = sa.inspect(cast("sa.Connection", migration.connection)).get_check_constraints(table)
    return [
        value
        for check in found
        if check["name"] == check_name(table, kind)
        for value in TEXT_IN_SQL.findall(check["sqltext"])
    ]


def compare_values(
    migration: MigrationContext,
    reflected: sa.Column[Any],
    column: sa.Column[Any],
    reflected_type: TypeEngine[Any],
    kind: TypeEngine[Any],
) -> bool | None:
    """Return True if the check of an enum lists other values; None leaves the types to Alembic."""
    del reflected, reflected_type
    if not has_check(kind):
        return None
    listed = checked_values(migration, column.table.name, kind)
    return True if set(listed) != set(kind.enums) else None


@process_directives.rewrites(AlterColumnOp)
def replace_check(
    migration: MigrationContext, revision: object, operation: AlterColumnOp
) -> MigrateOperation | list[MigrateOperation]:
    """Drop the check of an enum before the one that lists other values is made, in both directions."""
    del revision
    new, old = operation.modify_type, operation.existing_type  # swapped in a downgrade
    kind = new if has_check(new) else old
    table = operation.table_name
    if not has_check(kind) or not (listed := checked_values(migration, table, kind)):
        return operation
    previous = sa.Enum(
        *listed, name=kind.name, native_enum=False, create_constraint=True, length=kind.length
    )
    replaced = AlterColumnOp(
        table,
        operation.column_name,
        existing_type=sa.String(kind.length),
        existing_nullable=operation.existing_nullable,
        existing_server_default=operation.existing_server_default,
        modify_type=new if kind is new else previous,
        modify_nullable=operation.modify_nullable,
        modify_server_default=operation.modify_server_default,
    )
    check = sa.CheckConstraint(sa.true(), name=check_name(table, kind))
    sa.Table(table, sa.MetaData(), check)
    return [DropConstraintOp.from_constraint(check), replaced]


def drop_indexes_with_tables(
    migration: MigrationContext,
    revision: str | Iterable[str | None],
    scripts: list[MigrationScript],
) -> None:
    """Drop no index before its table is dropped."""
    del migration, revision
    for changes in (*scripts[0].upgrade_ops_list, *scripts[0].downgrade_ops_list):
        dropped = {each.table_name for each in changes.ops if isinstance(each, DropTableOp)}
        changes.ops[:] = [
            each
            for each in changes.ops
            if not (isinstance(each, ModifyTableOps) and each.table_name in dropped)
        ]


def drop_empty(
    migration: MigrationContext,
    revision: str | Iterable[str | None],
    scripts: list[MigrationScript],
) -> None:
    """Create no migration if the database already matches the models."""
    del migration, revision
    changes = scripts[0].upgrade_ops
    if writes_migration() and changes and changes.is_empty():
        scripts.clear()


def read_retained(folder: Path) -> list[str]:
    """Read the names of retained tables and columns (`table.column`) from the list in a folder."""
    path = folder / RETAINED
    names: list[str] = tomllib.loads(path.read_text())["retained"] if path.exists() else []
    return names


def write_retained(folder: Path, names: list[str]) -> None:
    """Write the list into a folder, or delete it when there are no names."""
    lines = "".join(f'    "{name}",\n' for name in names)
    (folder / RETAINED).unlink(missing_ok=True)
    if names:
        (folder / RETAINED).write_text(f"{HEADER}retained = [\n{lines}]\n")


def names_of(item: SchemaObject) -> set[str]:
    """Return the name of a table or a column, or the columns of an index or a constraint."""
    if isinstance(item, sa.Table):
        return {item.name}
    if isinstance(item, sa.Column):
        return {f"{item.table.name}.{item.name}"}
    return set[str]().union(*map(names_of, item.columns))


def options(folder: Path) -> dict[str, Any]:
    """Return the options of Alembic for the migrations in a folder."""
    retained = set(read_retained(folder))

    def include_object(
        item: SchemaObject, name: object, kind: object, reflected: object, counterpart: object
    ) -> bool:
        del name, kind
        without_model = reflected and counterpart is None
        return not without_model or retained.isdisjoint(names_of(item))

    shortened = process_directives.chain(drop_indexes_with_tables)
    return {
        "target_metadata": db.metadata,
        "compare_type": compare_values,
        "render_as_batch": True,  # SQLite can alter a table only by copying it
        "render_item": render_item,
        "include_object": include_object,
        "process_revision_directives": shortened.chain(drop_empty),
    }


def without_model() -> list[str]:
    """List the tables of the database, and the columns of modelled tables, that no model describes."""
    inspector = sa.inspect(reading_engine.current)
    modelled = db.metadata.tables
    tables = set(inspector.get_table_names()) - {VERSION_TABLE}
    columns = {
        f"{table}.{column['name']}"
        for table in tables & modelled.keys()
        for column in inspector.get_columns(table)
        if column["name"] not in modelled[table].columns
    }
    return sorted(tables - modelled.keys() | columns)


@click.command("retain")
@with_appcontext
def retain() -> None:
    """Keep the tables and columns that no model describes: no new migration drops them."""
    folder = Path(current_app.root_path).parent / "migrations"
    write_retained(folder, names := without_model())
    listed = ", ".join(names) or "nothing"
    click.echo(f"Retained without a model, in migrations/{RETAINED}: {listed}.")


def init_app(app: Flask) -> None:
    """Register the command."""
    app.cli.add_command(retain)
