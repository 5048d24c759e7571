"""Logins: opened and ended. Whoever changes an account ends them in the same transaction."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from app.core.database import pruning, reading, writing
from app.sessions.models import LoginSession

LIFE = "session_life"


def open_session(  # one line where it fits
    transaction: Session,
    owner_id: UUID,
    # {% if cookiecutter.auth == "jwt" %}
    network_digest: str,
    # {% endif %}
    max_age: timedelta = timedelta.max,
) -> LoginSession:
    """Store that somebody has logged in; the session lasts no longer than `max_age` either."""
    now = datetime.now(UTC)
    opened = LoginSession(
        id=uuid4(),
        owner_id=owner_id,
        created_at=now,
        expires_at=now + min(current_app.extensions[LIFE], max_age),
        # {% if cookiecutter.auth == "jwt" %}
        network_digest=network_digest,
        # {% endif %}
    )
    transaction.add(opened)
    return opened


# {% if cookiecutter.auth == "oidc" %}
def begin(owner_id: UUID, max_age: timedelta) -> UUID:
    """Store that somebody has logged in, and return what the login is called."""
    with writing() as transaction:
        return open_session(  # one line where it fits
            transaction,
            owner_id,
            # {% if cookiecutter.auth == "jwt" %}
            "",
            # {% endif %}
            max_age=max_age,
        ).id


# {% endif %}
def is_open(session_id: UUID) -> bool:
    """Tell whether a login still counts."""
    query = exists().where(
        LoginSession.id == session_id,
        LoginSession.ended_at.is_(None),
        LoginSession.expires_at > datetime.now(UTC),
    )
    with reading() as connection:
        return bool(connection.execute(select(query)).scalar_one())


# {% if cookiecutter.auth == "jwt" %}
def is_known(owner_id: UUID, network_digest: str) -> bool:
    """Tell whether somebody has logged in from this network before."""
    query = exists().where(
        LoginSession.owner_id == owner_id, LoginSession.network_digest == network_digest
    )
    with reading() as connection:
        return bool(connection.execute(select(query)).scalar_one())


# {% endif %}
def end(session_id: UUID) -> None:
    """End one login."""
    with writing() as transaction:
        transaction.execute(
            update(LoginSession)
            .where(LoginSession.id == session_id, LoginSession.ended_at.is_(None))
            .values(ended_at=datetime.now(UTC))
        )


def end_all(transaction: Session, owner_id: UUID, keep: UUID | None = None) -> None:
    """End every login of somebody, but for one."""
    ending = update(LoginSession).where(
        LoginSession.owner_id == owner_id, LoginSession.ended_at.is_(None)
    )
    if keep:
        ending = ending.where(LoginSession.id != keep)
    transaction.execute(ending.values(ended_at=datetime.now(UTC)))


def forget_before(moment: datetime) -> int:
    """Delete the logins that ended or expired before a moment, and return how many."""
    old = or_(LoginSession.ended_at < moment, LoginSession.expires_at < moment)
    return pruning.delete_all(LoginSession, old)
