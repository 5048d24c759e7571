"""What administrators may do with anybody's account but their own."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.access import InsufficientScope
from app.core.api.pagination import Page, Position
from app.core.database import reading
from app.core.errors import Conflict, NotFound
from app.sessions import service as sessions
from app.users import repository
from app.users.models import Role, User
from app.users.repository import AccountView

__all__ = [
    "AccountUnchanged",
    "AccountView",
    "OwnAccount",
    "Role",
    "activate",
    "deactivate",
    "find",
    "give_role",
    "newest",
]


class OwnAccount(Conflict):
    """The last administrator would lock everybody out."""

    code = "own_account"
    detail = "Your own account has to be changed by another administrator."


class AccountUnchanged(Conflict):
    """There is nothing to change, and nothing to keep in the audit log."""

    code = "account_unchanged"
    detail = "This account is like that already."


def newest(
    limit: int, after: Position | None = None, email: str | None = None
) -> Page[AccountView]:
    """Return a page of accounts, newest first, or the one of an address."""
    query = repository.newest(limit + 1, after)
    if email:
        query = query.where(User.email == email)
    with reading() as connection:
        return Page.of(repository.accounts(connection, query), limit)


def find(user_id: UUID) -> AccountView:
    """Return an account.

    Raises:
        NotFound: when there is none with this id.

    """
    with reading() as connection:
        found = repository.accounts(connection, repository.SHOWN.where(User.id == user_id))
    if not found:
        raise NotFound
    return found[0]


def deactivate(transaction: Session, actor_id: UUID, user_id: UUID) -> AccountView:
    """Take an account out of use, and end every login; it raises what `give_role` does."""
    user = _to_change(transaction, actor_id, user_id)
    if user.deactivated_at:
        raise AccountUnchanged
    user.deactivated_at = datetime.now(UTC)
    sessions.end_all(transaction, user_id)
    return _view(user)


def activate(transaction: Session, actor_id: UUID, user_id: UUID) -> AccountView:
    """Let an account be used again; it raises what `give_role` does."""
    user = _to_change(transaction, actor_id, user_id)
    if not user.deactivated_at:
        raise AccountUnchanged
    user.deactivated_at = None
    return _view(user)


def give_role(transaction: Session, actor_id: UUID, user_id: UUID, role: Role) -> AccountView:
    """Give an account another role, and end every login, because each goes on with the old one.

    Raises:
        NotFound: when there is none with this id.
        OwnAccount: when it is the caller's.
        InsufficientScope: when the caller is no administrator any more, whatever the token says.
        AccountUnchanged: when it has this role.

    """
    user = _to_change(transaction, actor_id, user_id)
    if user.role is role:
        raise AccountUnchanged
    user.role = role
    sessions.end_all(transaction, user_id)
    return _view(user)


def _to_change(transaction: Session, actor_id: UUID, user_id: UUID) -> User:
    """Return an account, locked together with the one of whoever changes it.

    So of two administrators who take the role from each other, one is an administrator afterwards.
    """
    both = select(User).where(User.id.in_([actor_id, user_id])).order_by(User.id)
    found = {user.id: user for user in transaction.scalars(both.with_for_update())}
    if user_id not in found:
        raise NotFound
    if user_id == actor_id:
        raise OwnAccount
    principal = found.get(actor_id)
    if principal is None or principal.deactivated_at or principal.role is not Role.ADMIN:
        raise InsufficientScope(Role.ADMIN)  # the role has a scope of its name
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
