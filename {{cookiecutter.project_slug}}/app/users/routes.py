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

blueprint = Blueprint("users", __name__, description="Make an account and look after it")

LETTER = "An email is on its way, if this address can have one"


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
@blueprint.response(202, description=LETTER)
@blueprint.problems(403, 429)
def register_account(sent: _Registration) -> Response:
    """Ask for an account; an email tells its owner how to go on, also if there is one already."""
    service.register(sent["email"], sent["password"], str(request.remote_addr))
    return Response(status=202)


@blueprint.route("/me", methods=["GET"])
@blueprint.requires("account")
@blueprint.response(200, UserSchema)
@blueprint.problems(404)
def get_own_account() -> Response:
    """Return the caller's account."""
    return json_response(service.find(access.principal().id))


@blueprint.route("/me/password", methods=["POST"])
@blueprint.requires("account")
@blueprint.arguments(NewPasswordSchema)
@blueprint.response(204)
@blueprint.problems(404, 429)
def change_password(sent: _NewPassword) -> Response:
    """Change the password; every other login ends."""
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
@blueprint.response(202, description=LETTER)
@blueprint.problems(404, 429)
def request_email_change(sent: _NewEmail) -> Response:
    """Ask for another address; it counts once the email that goes there is answered."""
    service.ask_to_change_email(
        access.principal().id, sent["current_password"], sent["email"], str(request.remote_addr)
    )
    return Response(status=202)


@blueprint.route("/me", methods=["DELETE"])
@blueprint.requires("account")
@blueprint.arguments(CurrentPasswordSchema)
@blueprint.response(204)
@blueprint.problems(404, 429)
def close_account(sent: _Proof) -> Response:
    """Close the account; every login ends."""
    service.deactivate(access.principal().id, sent["current_password"], str(request.remote_addr))
    return Response(status=204)
