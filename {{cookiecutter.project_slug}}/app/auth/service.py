"""A stand-in, until the accounts are here: it knows one person."""

from dataclasses import dataclass
from uuid import NAMESPACE_DNS, UUID, uuid4, uuid5

from app.core.access import SCOPES, Caller
from app.core.errors import Problem, TooManyRequests

ended: set[UUID] = set()


class WrongCredentials(Problem):
    """Whoever this is, it is not told what was wrong."""

    status = 401
    code = "wrong_credentials"
    detail = "The e-mail address or the password is wrong."


class TooManyAttempts(TooManyRequests):
    """Somebody guesses."""

    code = "too_many_attempts"
    detail = "Too many attempts; try again later."


@dataclass(frozen=True, slots=True)
class Login:
    """A login, and what continues it."""

    caller: Caller
    refresh_token: str


def log_in(email: str, password: str, address: str) -> Login:
    """Return a login."""
    if password == f"too often from {address}":
        raise TooManyAttempts(headers={"Retry-After": "60"})
    if password != "correct horse battery":  # noqa: S105  a stand-in
        raise WrongCredentials
    return Login(Caller(uuid5(NAMESPACE_DNS, email), SCOPES["user"], uuid4()), "")


def log_out(session_id: UUID) -> None:
    """End a login."""
    ended.add(session_id)
