"""The queries of accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, select

from app.core.api import pagination
from app.core.api.pagination import Position
from app.core.database import reading
from app.users.models import Role, User


@dataclass(frozen=True, slots=True)
class UserView:
    """An account as its owner sees it."""

    id: UUID
    email: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccountView(UserView):
    """An account as administrators see it."""

    email_verified_at: datetime | None
    deactivated_at: datetime | None


Accounts = Select[UUID, str, Role, datetime, datetime | None, datetime | None]

SHOWN: Accounts = select(
    User.id,
    User.email,
    User.role,
    User.created_at,
    User.email_verified_at,
    User.deactivated_at,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a proof of identity is compared with."""

    id: UUID
    email: str
    role: Role
    password_hash: str
    email_verified_at: datetime | None
    deactivated_at: datetime | None

    @property
    def usable(self) -> bool:
        """Whether its owner can log in."""
        return self.email_verified_at is not None and self.deactivated_at is None

    @property
    def unconfirmed(self) -> bool:
        """Whether nobody has proven to read its mailbox, so that it may be a stranger's."""
        return self.email_verified_at is None and self.deactivated_at is None


def newest(limit: int, after: Position | None = None) -> Accounts:
    """Return the query for the newest accounts, or for the next ones after a position."""
    return pagination.newest(SHOWN, User.created_at, User.id, limit, after)


def accounts(connection: Connection, query: Accounts) -> Sequence[AccountView]:
    """Run a query of accounts."""
    return [AccountView(*row) for row in connection.execute(query)]


def view(user_id: UUID) -> UserView | None:
    """Return an account that is in use."""
    query = select(User.id, User.email, User.role, User.created_at).where(
        User.id == user_id, User.deactivated_at.is_(None)
    )
    with reading() as connection:
        found = connection.execute(query).one_or_none()
    return UserView(*found) if found else None


def by_id(user_id: UUID) -> Credentials | None:
    """Return what the account of this id is proven by."""
    return _credentials(User.id == user_id)


def by_email(email: str) -> Credentials | None:
    """Return what the account of this address is proven by."""
    return _credentials(User.email == email)


def unconfirmed(email: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for the account of an address that nobody has confirmed."""
    return User.email == email, User.email_verified_at.is_(None), User.deactivated_at.is_(None)


def _credentials(condition: ColumnElement[bool]) -> Credentials | None:
    query = select(
        User.id,
        User.email,
        User.role,
        User.password_hash,
        User.email_verified_at,
        User.deactivated_at,
    ).where(condition)
    with reading() as connection:
        found = connection.execute(query).one_or_none()
    return Credentials(*found) if found else None
