"""Sessions: opened and ended. A change of an account ends them in the same transaction."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from app.core.database import pruning, reading, writing
from app.core.extension import Extension
from app.sessions.models import LoginSession

session_max_age = Extension[timedelta]("session_max_age")


def open_session(  # one line where it fits
    transaction: Session,
    owner_id: UUID,
    # {% if cookiecutter.auth == "jwt" %}
    network_digest: str,
    # {% endif %}
    max_age: timedelta = timedelta.max,
) -> LoginSession:
    """Store a session, which lasts for the configured time or `max_age`, whichever is shorter."""
    now = datetime.now(UTC)
    opened = LoginSession(
        id=uuid4(),
        owner_id=owner_id,
        created_at=now,
        expires_at=now + min(session_max_age.current, max_age),
        # {% if cookiecutter.auth == "jwt" %}
        network_digest=network_digest,
        # {% endif %}
    )
    transaction.add(opened)
    return opened


# {% if cookiecutter.auth == "oidc" %}
def begin(owner_id: UUID, max_age: timedelta) -> UUID:
    """Store a session in a transaction of its own; return its id."""
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
    """Return whether a session has neither ended nor expired."""
    query = exists().where(
        LoginSession.id == session_id,
        LoginSession.ended_at.is_(None),
        LoginSession.expires_at > datetime.now(UTC),
    )
    with reading() as connection:
        return bool(connection.execute(select(query)).scalar_one())


# {% if cookiecutter.auth == "jwt" %}
def is_known(owner_id: UUID, network_digest: str) -> bool:
    """Return whether a user has a stored session, open or not, from this network."""
    query = exists().where(
        LoginSession.owner_id == owner_id, LoginSession.network_digest == network_digest
    )
    with reading() as connection:
        return bool(connection.execute(select(query)).scalar_one())


# {% endif %}
def end(session_id: UUID) -> None:
    """End a session."""
    with writing() as transaction:
        transaction.execute(
            update(LoginSession)
            .where(LoginSession.id == session_id, LoginSession.ended_at.is_(None))
            .values(ended_at=datetime.now(UTC))
        )


def end_all(transaction: Session, owner_id: UUID, keep: UUID | None = None) -> None:
    """End all sessions of a user except `keep`."""
    ending = update(LoginSession).where(
        LoginSession.owner_id == owner_id, LoginSession.ended_at.is_(None)
    )
    if keep:
        ending = ending.where(LoginSession.id != keep)
    transaction.execute(ending.values(ended_at=datetime.now(UTC)))


def delete_before(moment: datetime) -> int:
    """Delete the sessions that ended or expired before a moment; return the number deleted."""
    old = or_(LoginSession.ended_at < moment, LoginSession.expires_at < moment)
    return pruning.delete_all(LoginSession, old)
