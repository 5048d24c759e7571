"""`/api/v1/auth`."""

from typing import TypedDict

from flask import Response, request

from app.auth import service
from app.auth.schemas import LoginSchema, RefreshSchema, TokensSchema
from app.core import access
from app.core.access.tokens import tokens
from app.core.api import Blueprint, json_response
from app.users import service as users
from app.users.schemas import AddressSchema, LinkTokenSchema, ResetSchema

blueprint = Blueprint("auth", __name__, description="Log in and out, and prove an email address")

EMAIL_SENT = "If an account exists for this address, an email is on its way"


class _Credentials(TypedDict):
    email: str
    password: str


class _Refresh(TypedDict):
    refresh_token: str


class _Email(TypedDict):
    email: str


class _Token(TypedDict):
    token: str


class _Reset(_Token):
    password: str


@blueprint.route("/login", methods=["POST"])
@blueprint.arguments(LoginSchema)
@blueprint.response(200, TokensSchema)
@blueprint.problems(401, 429)
def log_in(sent: _Credentials) -> Response:
    """Log in with a confirmed email address and its password."""
    return _answer(service.log_in(sent["email"], sent["password"], str(request.remote_addr)))


@blueprint.route("/refresh", methods=["POST"])
@blueprint.arguments(RefreshSchema)
@blueprint.response(200, TokensSchema)
@blueprint.problems(401)
def refresh_tokens(sent: _Refresh) -> Response:
    """Exchange a refresh token for new tokens; reusing a refresh token ends its session."""
    return _answer(service.refresh(sent["refresh_token"]))


@blueprint.route("/logout", methods=["POST"])
@blueprint.requires("account")
@blueprint.response(204)
def log_out() -> Response:
    """End the session of the access token; the token itself is valid until it expires."""
    service.log_out(access.principal().session)
    return Response(status=204)


@blueprint.route("/logout-everywhere", methods=["POST"])
@blueprint.requires("account")
@blueprint.response(204)
def log_out_everywhere() -> Response:
    """End all sessions of the user."""
    service.log_out_everywhere(access.principal().id)
    return Response(status=204)


@blueprint.route("/password-reset", methods=["POST"])
@blueprint.arguments(AddressSchema)
@blueprint.response(202, description=EMAIL_SENT)
@blueprint.problems(429)
def request_password_reset(sent: _Email) -> Response:
    """Request an email with a link to choose a new password."""
    users.request_password_reset(sent["email"], str(request.remote_addr))
    return Response(status=202)


@blueprint.route("/password-reset/confirm", methods=["POST"])
@blueprint.arguments(ResetSchema)
@blueprint.response(204)
@blueprint.problems(400)
def confirm_password_reset(sent: _Reset) -> Response:
    """Set a new password with the token of the link; all sessions end."""
    users.reset_password(sent["token"], sent["password"])
    return Response(status=204)


@blueprint.route("/email-verification", methods=["POST"])
@blueprint.arguments(AddressSchema)
@blueprint.response(202, description=EMAIL_SENT)
@blueprint.problems(429)
def request_email_verification(sent: _Email) -> Response:
    """Request another email to confirm an address; its link lets the owner choose a password."""
    users.request_email_verification(sent["email"], str(request.remote_addr))
    return Response(status=202)


@blueprint.route("/email-verification/confirm", methods=["POST"])
@blueprint.arguments(LinkTokenSchema)
@blueprint.response(204)
@blueprint.problems(400)
def confirm_email_verification(sent: _Token) -> Response:
    """Confirm the address of a new account with the token of the link."""
    users.verify_email(sent["token"])
    return Response(status=204)


@blueprint.route("/email-change/confirm", methods=["POST"])
@blueprint.arguments(LinkTokenSchema)
@blueprint.response(204)
@blueprint.problems(400)
def confirm_email_change(sent: _Token) -> Response:
    """Confirm a change of address with the token of the link that was sent there."""
    users.change_email(sent["token"])
    return Response(status=204)


def _answer(login: service.Login) -> Response:
    """Return the response with the tokens. All API responses are marked `no-store`."""
    issued = tokens.current.issue(login.principal)
    return json_response(
        {
            "access_token": issued.value,
            "token_type": "Bearer",
            "expires_in": issued.ttl_seconds,
            "refresh_token": login.refresh_token,
        }
    )
