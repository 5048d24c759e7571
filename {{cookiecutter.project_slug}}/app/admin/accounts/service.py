"""Changes of accounts, each with its audit log entry."""

from uuid import UUID

from app.admin.service import audited
from app.roles import Role
from app.users import admin_service as users
from app.users.admin_service import AccountView


def deactivate(actor_id: UUID, user_id: UUID) -> AccountView:
    """Deactivate an account; all its sessions end."""
    with audited(actor_id, "user.deactivate", user_id) as session:
        return users.deactivate(session, actor_id, user_id)


def activate(actor_id: UUID, user_id: UUID) -> AccountView:
    """Reactivate an account."""
    with audited(actor_id, "user.activate", user_id) as session:
        return users.activate(session, actor_id, user_id)


def give_role(actor_id: UUID, user_id: UUID, role: Role) -> AccountView:
    """Change the role of an account, which the audit log names; all its sessions end."""
    with audited(actor_id, f"user.role.{role}", user_id) as session:
        return users.give_role(session, actor_id, user_id, role)
