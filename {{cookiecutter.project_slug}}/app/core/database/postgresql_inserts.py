"""PostgreSQL ends a transaction whose INSERT violates a constraint, so the INSERT must avoid it."""

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql


def on_conflict_do_nothing(table: Table) -> Insert:
    """Return an INSERT that does nothing if the row exists."""
    return postgresql.insert(table).on_conflict_do_nothing()
