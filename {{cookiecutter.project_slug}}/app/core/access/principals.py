"""The principal of a request and its scopes, checked before the request's arguments are read.

A route declares the scope that it requires: `@blueprint.requires("notes:read")`. A route that is open
to everyone may still need to know who asks: `@blueprint.identifies()`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import ParamSpec, TypeVar, cast
from uuid import UUID

from flask import Flask, Response, after_this_request, g, request

from app.core import pipeline, telemetry
from app.core.errors import DETAILS, Problem
from app.core.extension import Extension

P = ParamSpec("P")
R = TypeVar("R")

BEARER = "bearer"
SCHEME = {"type": "http", "scheme": BEARER, "bearerFormat": "JWT"}  # for the OpenAPI document
SCHEME_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
"""The names of schemes that can be names in the OpenAPI document, too (RFC 9110, 11.1, has more)."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated user or client of a request, and its scopes."""

    id: UUID
    scopes: frozenset[str]
    session: UUID | None = None
    """The login that the token belongs to, where this service stores logins."""


class Unauthenticated(Problem):
    """There is no valid token; the response does not state what is wrong with it.

    `challenge` is the value of WWW-Authenticate (RFC 6750, section 3).
    """

    status = 401
    code = "unauthorized"
    detail = DETAILS[401]

    def __init__(self, challenge: str = "Bearer") -> None:
        super().__init__(headers={"WWW-Authenticate": challenge})


class InvalidToken(Unauthenticated):
    """The token is malformed, forged, expired or for another audience (RFC 6750, section 3.1)."""

    code = "invalid_token"

    def __init__(self) -> None:
        super().__init__('Bearer error="invalid_token"')


class InsufficientScope(Problem):
    """The principal lacks a scope, which the challenge names (RFC 6750, section 3.1)."""

    status = 403
    code = "insufficient_scope"
    detail = DETAILS[403]

    def __init__(self, scope: str) -> None:
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        super().__init__(headers={"WWW-Authenticate": challenge})


Verify = Callable[[str], Principal]
"""Returns the principal of a token, or raises `InvalidToken`."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """A scheme of the header `Authorization` (RFC 9110, 11.1), and what verifies its credentials."""

    name: str
    verify: Verify


auth_schemes = Extension[dict[str, Scheme]]("auth_schemes")
"""The accepted schemes by their names in lower case; the first one is Bearer."""
# {% if cookiecutter.auth == "jwt" %}

ScopeCheck = Callable[[Principal], bool]
"""Returns whether a principal still has the scope that its token contains."""

scope_checks = Extension[dict[str, ScopeCheck]]("scope_checks")
# {% endif %}


def init_app(app: Flask, verify: Verify) -> None:
    """Authenticate requests with the header `Authorization: Bearer <token>`."""
    auth_schemes.set(app, {BEARER: Scheme("Bearer", verify)})
    # {% if cookiecutter.auth == "jwt" %}
    scope_checks.set(app, {})
    # {% endif %}


def declare_scheme(app: Flask, name: str, verify: Verify | None = None) -> None:
    """Accept another scheme: `Authorization: <name> <credentials>`.

    `verify` returns the principal of the credentials or raises `InvalidToken`. Without it, the
    credentials are the access tokens that Bearer accepts.

    Raises:
        ValueError: for a name that is malformed, or that is declared already, in whatever case.

    """
    accepted = auth_schemes.of(app)
    if not SCHEME_NAME.fullmatch(name):
        message = f"the scheme {name!r} must be a letter, then letters, digits, '.', '_' and '-'"
        raise ValueError(message)
    if name.lower() in accepted:
        message = f"the scheme {name!r} is declared twice"
        raise ValueError(message)
    accepted[name.lower()] = Scheme(name, verify or accepted[BEARER].verify)
    app.after_request(partial(_add_challenge, name))


def further_schemes(app: Flask) -> list[str]:
    """Return the names of the declared schemes, without Bearer."""
    return [each.name for key, each in auth_schemes.of(app).items() if key != BEARER]


# {% if cookiecutter.auth == "jwt" %}
def check_on_each_request(app: Flask, scope: str, still_holds: ScopeCheck) -> None:
    """Check this scope on each request that needs it, not only when the token is issued.

    A revoked permission then ends at once (OWASP ASVS 5.0, 8.3.2), at the cost of a query per
    request.
    """
    scope_checks.of(app)[scope] = still_holds


# {% endif %}
def require_scope(scope: str) -> None:
    """Authenticate the request, and check that its principal has this scope.

    Raises:
        Unauthenticated: when there is no valid token.
        InsufficientScope: when the principal does not have the scope.

    """
    found = g.get("principal") or _authenticate()
    if scope not in found.scopes:
        raise InsufficientScope(scope)
    # {% if cookiecutter.auth == "jwt" %}
    still_holds = scope_checks.current.get(scope)
    if still_holds and g.get("checked_scope") != scope:
        if not still_holds(found):
            raise InsufficientScope(scope)
        g.checked_scope = scope
    # {% endif %}


def scope_required(scope: str, view: Callable[P, R]) -> Callable[P, R]:
    """Return a view that requires this scope."""

    @wraps(view)
    def wrapped_view(*args: P.args, **kwargs: P.kwargs) -> R:
        require_scope(scope)
        return view(*args, **kwargs)

    return wrapped_view


def identify() -> None:
    """Authenticate the request if it has credentials. Without them it has no principal.

    Raises:
        Unauthenticated: when there are credentials, but no valid token.

    """
    after_this_request(_vary_by_credentials)
    if request.headers.get("Authorization"):
        _authenticate()


def identified(view: Callable[P, R]) -> Callable[P, R]:
    """Return a view that everyone may call, and that knows who does."""

    @wraps(view)
    def wrapped_view(*args: P.args, **kwargs: P.kwargs) -> R:
        identify()
        return view(*args, **kwargs)

    return wrapped_view


def principal() -> Principal:
    """Return the principal of this request, on a route that requires one."""
    return cast("Principal", g.principal)


def optional_principal() -> Principal | None:
    """Return the principal of this request, or None if it has no credentials."""
    return cast("Principal | None", g.get("principal"))


def _vary_by_credentials(response: Response) -> Response:
    # A shared cache may store the response to a request without credentials, and must not return it
    # to a client that has some (RFC 9110, 12.5.5).
    response.vary.add("Authorization")
    return response


def _add_challenge(scheme: str, response: Response) -> Response:
    """Add the challenge of another scheme to a response that has one (RFC 9110, 11.6.1)."""
    if "WWW-Authenticate" in response.headers:
        response.headers.add("WWW-Authenticate", scheme)
    return response


def _authenticate() -> Principal:
    name, _, token = request.headers.get("Authorization", "").partition(" ")
    scheme = auth_schemes.current.get(name.lower())
    if scheme is None or not token:
        raise Unauthenticated
    g.principal = found = scheme.verify(token.strip())
    pipeline.current().log_fields[telemetry.USER_ID] = str(found.id)
    return found
