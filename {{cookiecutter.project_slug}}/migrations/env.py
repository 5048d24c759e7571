"""Alembic's environment for this service's database; `flask db` runs it in the application."""

from collections.abc import Iterable
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from flask import current_app

from app.core.database import UTCDateTime, database_settings, db, migration_engine, migration_lock


def render_item(kind: str, item: object, autogenerate: AutogenContext) -> str | Literal[False]:
    """Render our own column type by its short name, and add its import."""
    if kind == "type" and isinstance(item, UTCDateTime):
        autogenerate.imports.add("\nfrom app.core.database import UTCDateTime\n")
        return "UTCDateTime()"
    return False


def drop_empty(
    migration: MigrationContext,
    revision: str | Iterable[str | None],
    scripts: list[MigrationScript],
) -> None:
    """Create no migration if the database already matches the models."""
    del migration, revision
    automatic = getattr(context.config.cmd_opts, "autogenerate", False)
    changes = scripts[0].upgrade_ops
    if automatic and changes and changes.is_empty():
        scripts.clear()


OPTIONS: dict[str, Any] = {
    "target_metadata": db.metadata,
    "compare_type": True,
    "render_as_batch": True,  # SQLite can alter a table only by copying it
    "render_item": render_item,
    "process_revision_directives": drop_empty,
}

engine = migration_engine(current_app)

if context.is_offline_mode():
    context.configure(url=engine.url, literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
else:
    settings = database_settings.of(current_app)
    with engine.connect() as connection, migration_lock.hold(connection, settings):
        context.configure(connection=connection, **OPTIONS)
        with context.begin_transaction():
            context.run_migrations()
