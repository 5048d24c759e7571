"""Logging in and out."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.core import access, pseudonyms
from app.core.access import Principal, auth_log
from app.core.database import writing
from app.sessions import refresh_tokens
from app.sessions import service as sessions
from app.sessions.refresh_tokens import InvalidRefreshToken
from app.users import service as users
from app.users.attempts import TooManyAttempts
from app.users.service import InvalidCredentials

__all__ = [
    "InvalidCredentials",
    "InvalidRefreshToken",
    "Login",
    "TooManyAttempts",
    "log_in",
    "log_out",
    "log_out_everywhere",
    "refresh",
]


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who is logged in."""

    principal: Principal
    refresh_token: str


def log_in(email: str, password: str, address: str, *, max_age: timedelta = timedelta.max) -> Login:
    """Log somebody in from the address of a client, for no longer than `max_age`.

    Raises:
        InvalidCredentials: when nobody can log in so.
        TooManyAttempts: when it was tried too often.

    """
    with auth_log.log_outcome("login"):
        proven = users.authenticate(email, password, address)
        with writing() as transaction:
            # Looked at again under a lock: a password that is changed at this moment ends every
            # login, and none may begin behind its back.
            users.admit(transaction, proven)
            network = pseudonyms.of_network(address)
            opened = sessions.open_session(transaction, proven.id, network, max_age)
            refresh_token = refresh_tokens.issue(opened)
    return Login(_caller(proven.id, proven.role, opened.id), refresh_token)


def refresh(refresh_token: str) -> Login:
    """Go on with a login; its owner may do what the account's role allows now.

    Raises:
        InvalidRefreshToken: when the login does not go on.

    """
    with auth_log.log_outcome("refresh"):
        renewed = refresh_tokens.rotate(refresh_token)
        role = users.role_of(renewed.owner_id)
        if role is None:
            raise InvalidRefreshToken
    principal = _caller(renewed.owner_id, role, renewed.session_id)
    return Login(principal, renewed.refresh_token)


def log_out(session_id: UUID | None) -> None:
    """End a login; a token that came from none ends none."""
    if session_id:
        sessions.end(session_id)


def log_out_everywhere(owner_id: UUID) -> None:
    """End every login of somebody."""
    with writing() as transaction:
        sessions.end_all(transaction, owner_id)


def _caller(owner_id: UUID, role: str, session_id: UUID) -> Principal:
    return Principal(owner_id, access.scopes_of(role), session_id)
