"""The open sessions of a user, who can list and end them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from flask import Flask
from sqlalchemy import select

from app.core.access.browser_session import session_policy
from app.core.database import reading, writing
from app.sessions import service
from app.sessions.models import LoginSession

MAX_LISTED = 100


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as shown to its owner."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    # {% if cookiecutter.auth == "jwt" %}
    network_digest: str
    # {% endif %}


def list_sessions(owner_id: UUID) -> list[SessionView]:
    """Return the newest open sessions of a user, at most `MAX_LISTED`."""
    query = (
        select(
            LoginSession.id,
            LoginSession.created_at,
            LoginSession.expires_at,
            # {% if cookiecutter.auth == "jwt" %}
            LoginSession.network_digest,
            # {% endif %}
        )
        .where(
            LoginSession.owner_id == owner_id,
            LoginSession.ended_at.is_(None),
            LoginSession.expires_at > datetime.now(UTC),
        )
        .order_by(LoginSession.created_at.desc(), LoginSession.id)
        .limit(MAX_LISTED)
    )
    with reading() as connection:
        return [SessionView(*row) for row in connection.execute(query)]


def end_others(owner_id: UUID, keep: UUID | None) -> None:
    """End all sessions of a user except `keep`."""
    with writing() as transaction:
        service.end_all(transaction, owner_id, keep=keep)


def init_app(app: Flask) -> None:
    """End a browser's session when the stored session behind it ends."""
    session_policy.of(app).is_open = service.is_open
