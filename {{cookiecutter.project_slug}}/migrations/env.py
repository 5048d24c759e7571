"""Alembic's environment for this service's database; `flask db` runs it in the application."""

from pathlib import Path

from alembic import context
from flask import current_app

from app.core.database import autogenerate, database_settings, migration_engine, migration_lock

engine = migration_engine(current_app)
options = autogenerate.options(Path(__file__).parent)

if context.is_offline_mode():
    context.configure(url=engine.url, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    settings = database_settings.of(current_app)
    with engine.connect() as connection, migration_lock.hold(connection, settings):
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
