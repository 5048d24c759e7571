"""Who is calling, and what they may do: settled before anything that they sent is read.

A route says what its callers need: `@blueprint.requires("notes:read")`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar, cast
from uuid import UUID

from flask import Flask, current_app, g, request

from app.core import pipeline
from app.core.errors import DETAILS, Problem

P = ParamSpec("P")
R = TypeVar("R")

SCHEME = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}  # as OpenAPI names it


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a valid token speaks for."""

    id: UUID
    scopes: frozenset[str]
    session: UUID | None = None
    """The login that the token came from, where this service keeps logins."""


class Unauthenticated(Problem):
    """There is no token, or none that is good; it is not told what is wrong with it."""

    status = 401
    code = "unauthenticated"
    detail = DETAILS[401]

    def __init__(self, challenge: str = "Bearer") -> None:
        """Take the challenge (RFC 6750, section 3)."""
        super().__init__(headers={"WWW-Authenticate": challenge})


class InvalidToken(Unauthenticated):
    """There is a token, and it is malformed, forged, expired or meant for somebody else."""

    code = "invalid_token"

    def __init__(self) -> None:
        """Name the error that RFC 6750, section 3.1 has for it."""
        super().__init__('Bearer error="invalid_token"')


class InsufficientScope(Problem):
    """The caller is known, and may not do this."""

    status = 403
    code = "insufficient_scope"
    detail = DETAILS[403]

    def __init__(self, scope: str) -> None:
        """Name the scope that is missing (RFC 6750, section 3.1)."""
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        super().__init__(headers={"WWW-Authenticate": challenge})


Verify = Callable[[str], Principal]
"""Turns a token into its caller, or raises `InvalidToken`."""
# {% if cookiecutter.auth == "jwt" %}

StillHolds = Callable[[Principal], bool]
"""Tells whether a caller still holds a scope that a token names."""
# {% endif %}


def init_app(app: Flask, verify: Verify) -> None:
    """Let in whom `verify` recognises."""
    app.extensions["access"] = verify
    # {% if cookiecutter.auth == "jwt" %}
    app.extensions["access.looked_up"] = {}
    # {% endif %}


# {% if cookiecutter.auth == "jwt" %}
def look_up(app: Flask, scope: str, still_holds: StillHolds) -> None:
    """Ask on each request that needs this scope, instead of believing the token until it expires.

    A withdrawn permission then ends at once (OWASP ASVS 5.0, 8.3.2), for a query a request.
    """
    app.extensions["access.looked_up"][scope] = still_holds


# {% endif %}
def admit(scope: str) -> None:
    """Let the request go on if its caller has this scope.

    Raises:
        Unauthenticated: when nobody is recognised.
        InsufficientScope: when somebody is, and may not do this.

    """
    found = g.get("principal") or _authenticate()
    if scope not in found.scopes:
        raise InsufficientScope(scope)
    # {% if cookiecutter.auth == "jwt" %}
    still_holds = current_app.extensions["access.looked_up"].get(scope)
    if still_holds and g.get("looked_up") != scope:
        if not still_holds(found):
            raise InsufficientScope(scope)
        g.looked_up = scope
    # {% endif %}


def guarded(scope: str, view: Callable[P, R]) -> Callable[P, R]:
    """Return a view that lets in only callers with this scope."""

    @wraps(view)
    def guarded_view(*args: P.args, **kwargs: P.kwargs) -> R:
        admit(scope)
        return view(*args, **kwargs)

    return guarded_view


def principal() -> Principal:
    """Return whoever was let in."""
    return cast("Principal", g.principal)


def _authenticate() -> Principal:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    verify: Verify = current_app.extensions["access"]
    g.principal = found = verify(token.strip())
    pipeline.current().log_fields["user_id"] = str(found.id)
    return found
