"""`/api/v1/admin/users`, on the blueprint that only administrators may use."""

from typing import NotRequired, TypedDict
from uuid import UUID

from flask import Response

from app.admin.accounts import service
from app.admin.accounts.schemas import (
    AccountPageSchema,
    AccountQuery,
    AccountSchema,
    RoleChangeSchema,
)
from app.admin.routes import blueprint
from app.core import access
from app.core.api import json_response
from app.core.api.pagination import PageArguments
from app.roles import Role
from app.users import admin_service as users


class _AccountPage(PageArguments):
    email: NotRequired[str]


class _Role(TypedDict):
    role: str


@blueprint.route("/users", methods=["GET"])
@blueprint.requires("admin")
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, AccountPageSchema)
def list_accounts(query: _AccountPage) -> Response:
    """Return a page of accounts, newest first, or the account with an email address."""
    page = users.list_accounts(query["limit"], query.get("cursor"), query.get("email"))
    return json_response(page.as_dict())


@blueprint.route("/users/<uuid:user_id>", methods=["GET"])
@blueprint.requires("admin")
@blueprint.response(200, AccountSchema)
@blueprint.problems(404)
def get_account(user_id: UUID) -> Response:
    """Return an account, active or not."""
    return json_response(users.find(user_id))


@blueprint.route("/users/<uuid:user_id>/deactivate", methods=["POST"])
@blueprint.requires("admin")
@blueprint.response(200, AccountSchema)
@blueprint.problems(404, 409)
def deactivate_account(user_id: UUID) -> Response:
    """Deactivate another user's account; all its sessions end."""
    return json_response(service.deactivate(access.principal().id, user_id))


@blueprint.route("/users/<uuid:user_id>/activate", methods=["POST"])
@blueprint.requires("admin")
@blueprint.response(200, AccountSchema)
@blueprint.problems(404, 409)
def activate_account(user_id: UUID) -> Response:
    """Reactivate an account."""
    return json_response(service.activate(access.principal().id, user_id))


@blueprint.route("/users/<uuid:user_id>/role", methods=["PUT"])
@blueprint.requires("admin")
@blueprint.arguments(RoleChangeSchema)
@blueprint.response(200, AccountSchema)
@blueprint.problems(404, 409)
def set_account_role(sent: _Role, user_id: UUID) -> Response:
    """Change the role of another user; all their sessions end."""
    return json_response(service.give_role(access.principal().id, user_id, Role(sent["role"])))
