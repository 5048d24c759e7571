"""Browser sessions: the logged-in user, in Flask's signed cookie. The timeouts are checked here.

The signature proves that this service wrote the cookie, but not that the login is still valid: a
domain that stores logins checks that through `SessionPolicy.is_open`.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote
from uuid import UUID

from flask import Flask, g, session
from pydantic import Field

from app.core import pipeline, telemetry
from app.core.access import principals
from app.core.access.principals import Principal
from app.core.config import CoreSettings
from app.core.extension import Extension

REFRESH_SECONDS = 60  # how often the cookie is renewed while it is used
# A path of this site (RFC 3986), without characters that a browser would change.
PATH = re.compile(r"/(?![/\\])[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*", re.ASCII)
REPAIRED = re.compile(r"[\x00-\x20\x7f\\]|^//")


class BrowserSettings(CoreSettings):
    """Browser sessions."""

    session_browser_idle_timeout_seconds: int = Field(default=3_600, ge=60, le=86_400)
    """The maximum time without a request before a browser session ends, in seconds."""
    session_browser_max_age_seconds: int = Field(default=43_200, ge=60, le=2_592_000)
    """The maximum age of a browser session, in seconds."""


@dataclass(slots=True)
class SessionPolicy:
    """The timeouts of browser sessions, and the check of stored logins."""

    idle_timeout_seconds: int
    max_age_seconds: int
    is_open: Callable[[UUID], bool] = lambda _login: True
    """Returns whether a login has not been ended elsewhere; set by a domain that stores logins."""


@dataclass(frozen=True, slots=True)
class BrowserUser:
    """The logged-in user, and the name to show."""

    principal: Principal
    name: str


session_policy = Extension[SessionPolicy]("session_policy")


def init_app(app: Flask, settings: BrowserSettings) -> None:
    """Set up the session policy."""
    policy = SessionPolicy(
        settings.session_browser_idle_timeout_seconds, settings.session_browser_max_age_seconds
    )
    session_policy.set(app, policy)


def login(principal: Principal, name: str) -> None:
    """Start a session.

    The previous session is discarded with its CSRF token, so that values which an attacker planted
    in this browser become useless (OWASP ASVS 5.0, 7.2.4).
    """
    logout()
    now = int(time.time())
    session["user"] = {
        "id": str(principal.id),
        "scopes": sorted(principal.scopes),
        "login": str(principal.session) if principal.session else None,
        "name": name,
        "began": now,
        "seen": now,
    }


def logout() -> None:
    """End the session in this browser. Where logins are stored, end the login as well."""
    session.clear()
    for name in ("user", "csrf_token"):  # cached for this request
        g.pop(name, None)


def user() -> BrowserUser | None:
    """Return the logged-in user; None if the session has expired or was ended elsewhere."""
    if "user" not in g:
        g.user = _user()
    return cast("BrowserUser | None", g.user)


def principal() -> Principal | None:
    """Return the principal of the session; None without a login."""
    found = user()
    return found.principal if found else None


def cookie_name() -> str | None:
    """Return the name in the session's cookie; None if it has expired or there is no login.

    It runs no query, so error pages can show the name while the database is unavailable. Whether
    the session was ended elsewhere is known only if this request has called `user`.
    """
    if "user" in g:
        found = user()
        return found.name if found else None
    stored = session.get("user")
    return str(stored["name"]) if stored and _is_recent(stored) else None


def rename(name: str) -> None:
    """Change the name of the logged-in user in the session."""
    session["user"] = {**session["user"], "name": name}
    g.pop("user", None)


def authorize(scope: str | None = None) -> bool:
    """Check that the logged-in user has this scope; return whether a user is logged in.

    Without a scope, every logged-in user is authorized.

    Raises:
        InsufficientScope: when the user does not have the scope.

    """
    found = user()
    if found is None:
        return False
    g.principal = found.principal
    if scope:
        principals.require_scope(scope)
    return True


def _user() -> BrowserUser | None:
    stored = session.get("user")
    if stored is None:
        return None
    login = UUID(stored["login"]) if stored["login"] else None
    if not _is_recent(stored) or (login and not session_policy.current.is_open(login)):
        logout()
        return None
    now = int(time.time())
    if now - stored["seen"] >= REFRESH_SECONDS:
        session["user"] = {**stored, "seen": now}
    pipeline.current().log_fields[telemetry.USER_ID] = stored["id"]
    return BrowserUser(
        Principal(UUID(stored["id"]), frozenset(stored["scopes"]), login), stored["name"]
    )


def _is_recent(stored: Mapping[str, Any]) -> bool:
    """Return whether a session has exceeded neither of its timeouts."""
    policy, now = session_policy.current, int(time.time())
    idle, age = now - int(stored["seen"]), now - int(stored["began"])
    return idle <= policy.idle_timeout_seconds and age <= policy.max_age_seconds


def safe_redirect_target(target: str) -> str:
    """Return the target if it is a path of this site, and `/` otherwise.

    Browsers drop tabs and line breaks, and treat a backslash as a slash (WHATWG URL), so a target
    that looks like a path here could lead to another site. The percent-decoded target is checked
    too, for proxies that decode it.
    """
    plain = unquote(target)
    # A segment of dots could lead out of URL_PREFIX, to other services of this host.
    good = PATH.fullmatch(target) and not REPAIRED.search(plain) and "/.." not in plain
    return target if good else "/"
