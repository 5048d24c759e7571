"""How Alembic reaches this service's database; `flask db` runs it inside the application."""

from collections.abc import Iterable
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import NullPool, create_engine

from app.core.database import UTCDateTime, db


def render_item(kind: str, item: object, autogenerate: AutogenContext) -> str | Literal[False]:
    """Write our own column type by its short name, with its import."""
    if kind == "type" and isinstance(item, UTCDateTime):
        autogenerate.imports.add("\nfrom app.core.database import UTCDateTime\n")
        return "UTCDateTime()"
    return False


def drop_empty(
    migration: MigrationContext,
    revision: str | Iterable[str | None],
    scripts: list[MigrationScript],
) -> None:
    """Write no file when the models match the database already."""
    del migration, revision
    automatic = getattr(context.config.cmd_opts, "autogenerate", False)
    changes = scripts[0].upgrade_ops
    if automatic and changes and changes.is_empty():
        scripts.clear()


OPTIONS: dict[str, Any] = {
    "target_metadata": db.metadata,
    "compare_type": True,
    "render_as_batch": True,  # SQLite changes a table by copying it
    "render_item": render_item,
    "process_revision_directives": drop_empty,
}

if context.is_offline_mode():
    context.configure(url=db.engine.url, literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
else:
    # An engine without the time limits of requests, because a large table takes longer, and
    # without SQLite's foreign keys, because copying a table would delete what refers to it.
    with create_engine(db.engine.url, poolclass=NullPool).connect() as connection:
        context.configure(connection=connection, **OPTIONS)
        with context.begin_transaction():
            context.run_migrations()
