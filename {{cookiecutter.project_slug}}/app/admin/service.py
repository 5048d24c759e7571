"""Administration. A change and its audit log entry are stored in one transaction."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from app.admin import repository
from app.admin.models import AuditEntry
from app.admin.repository import EntryView
from app.core.api.pagination import Page, Position
from app.core.database import reading, writing

logger = logging.getLogger(__name__)


@contextmanager
def audited(actor_id: UUID, action: str, subject_id: UUID) -> Iterator[Session]:
    """Open a transaction for a change; commit it together with its audit log entry."""
    with writing() as session:
        yield session
        session.add(
            AuditEntry(
                id=uuid4(),
                actor_id=actor_id,
                action=action,
                subject_id=subject_id,
                created_at=datetime.now(UTC),
            )
        )
    logger.info("audit entry added", extra={"action": action, "subject_id": str(subject_id)})


def list_entries(limit: int, after: Position | None = None) -> Page[EntryView]:
    """Return a page of the audit log, newest first."""
    with reading() as connection:
        return Page.of(repository.views(connection, repository.page(limit + 1, after)), limit)
