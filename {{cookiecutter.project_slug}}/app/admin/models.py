"""The table of the audit log."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class AuditEntry(Base, kw_only=True):
    """A change by an administrator. Entries are only added, never changed or deleted."""

    __tablename__ = "audit_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_id: Mapped[UUID]
    action: Mapped[str] = mapped_column(String(64))
    subject_id: Mapped[UUID] = mapped_column(index=True)
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "created_at", "id"),)
