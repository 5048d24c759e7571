"""The queries for the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Select, select

from app.admin.models import AuditEntry
from app.core.api import pagination
from app.core.api.pagination import Position


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry as shown to administrators."""

    id: UUID
    actor_id: UUID
    action: str
    subject_id: UUID
    created_at: datetime


Entries = Select[UUID, UUID, str, UUID, datetime]


def page(limit: int, after: Position | None = None) -> Entries:
    """Return the query for the newest entries, or for those after a position."""
    entries = select(
        AuditEntry.id,
        AuditEntry.actor_id,
        AuditEntry.action,
        AuditEntry.subject_id,
        AuditEntry.created_at,
    )
    return pagination.select_page(entries, AuditEntry.created_at, AuditEntry.id, limit, after)


def views(connection: Connection, entries: Entries) -> Sequence[EntryView]:
    """Execute a query for entries."""
    return [EntryView(*row) for row in connection.execute(entries)]
