"""The queries for accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, select

from app.core.api import pagination
from app.core.api.pagination import Position
from app.core.database import reading
from app.roles import Role
from app.users.models import User


@dataclass(frozen=True, slots=True)
class UserView:
    """An account as shown to its owner."""

    id: UUID
    email: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccountView(UserView):
    """An account as shown to administrators."""

    email_verified_at: datetime | None
    deactivated_at: datetime | None


Accounts = Select[UUID, str, Role, datetime, datetime | None, datetime | None]

ACCOUNTS: Accounts = select(
    User.id,
    User.email,
    User.role,
    User.created_at,
    User.email_verified_at,
    User.deactivated_at,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials that a login is checked against."""

    id: UUID
    email: str
    role: Role
    password_hash: str
    email_verified_at: datetime | None
    deactivated_at: datetime | None

    @property
    def usable(self) -> bool:
        """Whether the account is confirmed and active, so that its owner can log in."""
        return self.email_verified_at is not None and self.deactivated_at is None

    @property
    def unconfirmed(self) -> bool:
        """Whether the account is active but unconfirmed: anyone may have registered its address."""
        return self.email_verified_at is None and self.deactivated_at is None


def page(limit: int, after: Position | None = None) -> Accounts:
    """Return the query for the newest accounts, or for those after a position."""
    return pagination.select_page(ACCOUNTS, User.created_at, User.id, limit, after)


def accounts(connection: Connection, query: Accounts) -> Sequence[AccountView]:
    """Execute a query for accounts."""
    return [AccountView(*row) for row in connection.execute(query)]


def view(user_id: UUID) -> UserView | None:
    """Return an active account, or None."""
    query = select(User.id, User.email, User.role, User.created_at).where(
        User.id == user_id, User.deactivated_at.is_(None)
    )
    with reading() as connection:
        found = connection.execute(query).one_or_none()
    return UserView(*found) if found else None


def by_id(user_id: UUID) -> Credentials | None:
    """Return the credentials of the account with this id, or None."""
    return _credentials(User.id == user_id)


def by_email(email: str) -> Credentials | None:
    """Return the credentials of the account with this address, or None."""
    return _credentials(User.email == email)


def unconfirmed(email: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that match the account of an address if it is `unconfirmed`."""
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
