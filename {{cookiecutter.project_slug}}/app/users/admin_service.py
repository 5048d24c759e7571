"""Administrators' changes to accounts. None of them applies to the administrator's own account."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.access import InsufficientScope
from app.core.api.pagination import Page, Position
from app.core.database import reading
from app.core.errors import Conflict, NotFound
from app.roles import Role
from app.sessions import service as sessions
from app.users import repository
from app.users.models import User
from app.users.repository import AccountView

__all__ = [
    "AccountUnchanged",
    "AccountView",
    "OwnAccount",
    "activate",
    "deactivate",
    "find",
    "give_role",
    "list_accounts",
]


class OwnAccount(Conflict):
    """Administrators cannot change their own account: the last one could lock everyone out."""

    code = "own_account"
    detail = "Only another administrator can change your account."


class AccountUnchanged(Conflict):
    """The account is in the requested state already, so the audit log gets no entry."""

    code = "account_unchanged"
    detail = "The account is in this state already."


def list_accounts(
    limit: int, after: Position | None = None, email: str | None = None
) -> Page[AccountView]:
    """Return a page of accounts, newest first; with `email`, only the account with this address."""
    query = repository.page(limit + 1, after)
    if email:
        query = query.where(User.email == email)
    with reading() as connection:
        return Page.of(repository.accounts(connection, query), limit)


def find(user_id: UUID) -> AccountView:
    """Return an account.

    Raises:
        NotFound: when no account has this id.

    """
    with reading() as connection:
        found = repository.accounts(connection, repository.ACCOUNTS.where(User.id == user_id))
    if not found:
        raise NotFound
    return found[0]


def deactivate(transaction: Session, actor_id: UUID, user_id: UUID) -> AccountView:
    """Deactivate an account and end all its sessions. Raises what `give_role` raises."""
    user = _to_change(transaction, actor_id, user_id)
    if user.deactivated_at:
        raise AccountUnchanged
    user.deactivated_at = datetime.now(UTC)
    sessions.end_all(transaction, user_id)
    return _view(user)


def activate(transaction: Session, actor_id: UUID, user_id: UUID) -> AccountView:
    """Reactivate an account. Raises what `give_role` raises."""
    user = _to_change(transaction, actor_id, user_id)
    if not user.deactivated_at:
        raise AccountUnchanged
    user.deactivated_at = None
    return _view(user)


def give_role(transaction: Session, actor_id: UUID, user_id: UUID, role: Role) -> AccountView:
    """Change the role of an account and end all its sessions, whose tokens carry the old role.

    Raises:
        NotFound: when no account has this id.
        OwnAccount: when it is the account of the acting administrator.
        InsufficientScope: when the actor is no longer an administrator, whatever the token says.
        AccountUnchanged: when the account has this role already.

    """
    user = _to_change(transaction, actor_id, user_id)
    if user.role is role:
        raise AccountUnchanged
    user.role = role
    sessions.end_all(transaction, user_id)
    return _view(user)


def _to_change(transaction: Session, actor_id: UUID, user_id: UUID) -> User:
    """Return the account to change; lock its row together with the acting administrator's.

    If two administrators demote each other at the same time, only the first change succeeds.
    """
    both = select(User).where(User.id.in_([actor_id, user_id])).order_by(User.id)
    found = {user.id: user for user in transaction.scalars(both.with_for_update())}
    if user_id not in found:
        raise NotFound
    if user_id == actor_id:
        raise OwnAccount
    principal = found.get(actor_id)
    if principal is None or principal.deactivated_at or principal.role is not Role.ADMIN:
        raise InsufficientScope(Role.ADMIN)  # this role and its scope have the same name
    return found[user_id]


def _view(user: User) -> AccountView:
    return AccountView(
        user.id,
        user.email,
        user.role,
        user.created_at,
        user.email_verified_at,
        user.deactivated_at,
    )
