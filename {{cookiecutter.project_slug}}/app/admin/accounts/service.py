"""Changes of accounts, each with its entry in the audit log."""

from uuid import UUID

from app.admin.service import audited
from app.users import admin_service as users
from app.users.admin_service import AccountView, Role


def deactivate(actor_id: UUID, user_id: UUID) -> AccountView:
    """Take an account out of use; every login of it ends."""
    with audited(actor_id, "user.deactivate", user_id) as session:
        return users.deactivate(session, actor_id, user_id)


def activate(actor_id: UUID, user_id: UUID) -> AccountView:
    """Let an account be used again."""
    with audited(actor_id, "user.activate", user_id) as session:
        return users.activate(session, actor_id, user_id)


def give_role(actor_id: UUID, user_id: UUID, role: Role) -> AccountView:
    """Give an account a role, which the entry names; every login of it ends."""
    with audited(actor_id, f"user.role.{role}", user_id) as session:
        return users.give_role(session, actor_id, user_id, role)
