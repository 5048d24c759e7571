"""`/api/v1/users`."""

from typing import TypedDict

from flask import Response, request

from app.core import access
from app.core.api import Blueprint, json_response
from app.users import service
from app.users.schemas import (
    CurrentPasswordSchema,
    NewEmailSchema,
    NewPasswordSchema,
    RegistrationSchema,
    UserSchema,
)

blueprint = Blueprint(
    "users",
    __name__,
    template_folder="templates",
    description="Make an account and look after it",
)

EMAIL_SENT = "If an account exists for this address, an email is on its way"


class _Registration(TypedDict):
    email: str
    password: str


class _Proof(TypedDict):
    current_password: str


class _NewPassword(_Proof):
    password: str


class _NewEmail(_Proof):
    email: str


@blueprint.route("", methods=["POST"])
@blueprint.arguments(RegistrationSchema)
@blueprint.response(202, description=EMAIL_SENT)
@blueprint.problems(403, 429)
def register_account(sent: _Registration) -> Response:
    """Register an account; an email with the next step is sent, even if the account exists."""
    service.register(sent["email"], sent["password"], str(request.remote_addr))
    return Response(status=202)


@blueprint.route("/me", methods=["GET"])
@blueprint.requires("account")
@blueprint.response(200, UserSchema)
@blueprint.problems(404)
def get_own_account() -> Response:
    """Return the user's own account."""
    return json_response(service.find(access.principal().id))


@blueprint.route("/me/password", methods=["POST"])
@blueprint.requires("account")
@blueprint.arguments(NewPasswordSchema)
@blueprint.response(204)
@blueprint.problems(404, 429)
def change_password(sent: _NewPassword) -> Response:
    """Change the password; all other sessions end."""
    principal = access.principal()
    service.change_password(
        principal.id,
        sent["current_password"],
        sent["password"],
        str(request.remote_addr),
        session_id=principal.session,
    )
    return Response(status=204)


@blueprint.route("/me/email", methods=["POST"])
@blueprint.requires("account")
@blueprint.arguments(NewEmailSchema)
@blueprint.response(202, description=EMAIL_SENT)
@blueprint.problems(404, 429)
def request_email_change(sent: _NewEmail) -> Response:
    """Request a change of address; it takes effect when the link sent there is used."""
    service.request_email_change(
        access.principal().id, sent["current_password"], sent["email"], str(request.remote_addr)
    )
    return Response(status=202)


@blueprint.route("/me", methods=["DELETE"])
@blueprint.requires("account")
@blueprint.arguments(CurrentPasswordSchema)
@blueprint.response(204)
@blueprint.problems(404, 429)
def close_account(sent: _Proof) -> Response:
    """Close the account; all its sessions end."""
    service.deactivate(access.principal().id, sent["current_password"], str(request.remote_addr))
    return Response(status=204)
