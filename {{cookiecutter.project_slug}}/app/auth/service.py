"""Login, refresh and logout."""

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
    """A logged-in principal and the refresh token of their session."""

    principal: Principal
    refresh_token: str


def log_in(email: str, password: str, address: str, *, max_age: timedelta = timedelta.max) -> Login:
    """Log a user in from a client's IP address. The session lasts for `max_age` at most.

    Raises:
        InvalidCredentials: when the credentials match no account that can log in.
        TooManyAttempts: when a limit of login attempts is exceeded.

    """
    with auth_log.log_outcome("login"):
        authenticated = users.authenticate(email, password, address)
        with writing() as transaction:
            # Check again under a lock: a concurrent change of the password ends all sessions, and
            # no session may start after that with the old one.
            users.lock_authenticated(transaction, authenticated)
            network = pseudonyms.of_network(address)
            opened = sessions.open_session(transaction, authenticated.id, network, max_age)
            refresh_token = refresh_tokens.issue(opened)
    return Login(_principal(authenticated.id, authenticated.role, opened.id), refresh_token)


def refresh(refresh_token: str) -> Login:
    """Continue a session, with the scopes of the account's current role.

    Raises:
        InvalidRefreshToken: when the token is invalid, or the session or the account is not active.

    """
    with auth_log.log_outcome("refresh"):
        renewed = refresh_tokens.rotate(refresh_token)
        role = users.role_of(renewed.owner_id)
        if role is None:
            raise InvalidRefreshToken
    principal = _principal(renewed.owner_id, role, renewed.session_id)
    return Login(principal, renewed.refresh_token)


def log_out(session_id: UUID | None) -> None:
    """End a session. With None, for a token without a session, do nothing."""
    if session_id:
        sessions.end(session_id)


def log_out_everywhere(owner_id: UUID) -> None:
    """End all sessions of a user."""
    with writing() as transaction:
        sessions.end_all(transaction, owner_id)


def _principal(owner_id: UUID, role: str, session_id: UUID) -> Principal:
    return Principal(owner_id, access.scopes_of(role), session_id)
