"""Who is logged in with this browser: kept in Flask's signed cookie, its times checked here.

The cookie proves that this service wrote it, and not that it is still wanted: whoever keeps logins
says so through `SessionPolicy.is_open`.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote
from uuid import UUID

from flask import Flask, current_app, g, session
from pydantic import Field

from app.core import pipeline, telemetry
from app.core.access import principals
from app.core.access.principals import Principal
from app.core.config import CoreSettings

REFRESH_SECONDS = 60  # how often a cookie is written anew while it is used
# A path of this site as RFC 3986 spells it, and nothing that a browser would repair.
PATH = re.compile(r"/(?![/\\])[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*", re.ASCII)
REPAIRED = re.compile(r"[\x00-\x20\x7f\\]|^//")


class BrowserSettings(CoreSettings):
    """What the sessions of browsers can be told."""

    session_browser_idle_timeout_seconds: int = Field(default=3_600, ge=60, le=86_400)
    """How long a visitor may do nothing before having to log in again."""
    session_browser_max_age_seconds: int = Field(default=43_200, ge=60, le=2_592_000)
    """How long a login lasts at most."""


@dataclass(slots=True)
class SessionPolicy:
    """The rules of browsers' sessions."""

    idle_seconds: int
    seconds: int
    is_open: Callable[[UUID], bool] = lambda _login: True
    """Tells whether a login has not been ended elsewhere; set by whoever keeps logins."""


@dataclass(frozen=True, slots=True)
class BrowserUser:
    """Whoever is logged in, and the name to show."""

    principal: Principal
    name: str


def init_app(app: Flask, settings: BrowserSettings) -> None:
    """Take how long sessions last."""
    app.extensions["browsers"] = SessionPolicy(
        settings.session_browser_idle_timeout_seconds, settings.session_browser_max_age_seconds
    )


def of(app: Flask) -> SessionPolicy:
    """Return the rules of this application."""
    return cast("SessionPolicy", app.extensions["browsers"])


def login(principal: Principal, name: str) -> None:
    """Begin a session.

    Nothing of the one before is kept, its form token neither: what somebody else planted in this
    browser is worth nothing afterwards (OWASP ASVS 5.0, 7.2.4).
    """
    logout()
    now = int(time.time())
    session["visitor"] = {
        "id": str(principal.id),
        "scopes": sorted(principal.scopes),
        "login": str(principal.session) if principal.session else None,
        "name": name,
        "began": now,
        "seen": now,
    }


def logout() -> None:
    """End the session in this browser; end the login too where logins are kept."""
    session.clear()
    for name in ("visitor", "csrf_token"):  # what this request remembers of it
        g.pop(name, None)


def visitor() -> BrowserUser | None:
    """Return who is logged in, if the session is neither too old nor ended elsewhere."""
    if "visitor" not in g:
        g.visitor = _visitor()
    return cast("BrowserUser | None", g.visitor)


def principal() -> Principal | None:
    """Return for whom this request acts, if somebody is logged in."""
    found = visitor()
    return found.principal if found else None


def cookie_name() -> str | None:
    """Return the name in this browser's cookie, unless it is too old; None when nobody is logged in.

    No query is sent, so a page about a failure can show it while the database is away. Whether the
    session was ended elsewhere is only known where this request has asked for the visitor.
    """
    if "visitor" in g:
        found = visitor()
        return found.name if found else None
    kept = session.get("visitor")
    return str(kept["name"]) if kept and _is_recent(kept) else None


def rename(name: str) -> None:
    """Show another name from now on to the visitor who is logged in."""
    session["visitor"] = {**session["visitor"], "name": name}
    g.pop("visitor", None)


def admit(scope: str | None = None) -> bool:
    """Let the request go on for whoever is logged in, if they have this scope; tell if somebody is.

    Without a scope everybody who is logged in may go on.

    Raises:
        InsufficientScope: when somebody is, and may not do this.

    """
    found = visitor()
    if found is None:
        return False
    g.principal = found.principal
    if scope:
        principals.admit(scope)
    return True


def _visitor() -> BrowserUser | None:
    kept = session.get("visitor")
    if kept is None:
        return None
    login = UUID(kept["login"]) if kept["login"] else None
    if not _is_recent(kept) or (login and not of(current_app).is_open(login)):
        logout()
        return None
    now = int(time.time())
    if now - kept["seen"] >= REFRESH_SECONDS:
        session["visitor"] = {**kept, "seen": now}
    pipeline.current().log_fields[telemetry.USER_ID] = kept["id"]
    return BrowserUser(Principal(UUID(kept["id"]), frozenset(kept["scopes"]), login), kept["name"])


def _is_recent(kept: Mapping[str, Any]) -> bool:
    """Tell whether neither of a session's times has run out."""
    rules, now = of(current_app), int(time.time())
    idle, age = now - int(kept["seen"]), now - int(kept["began"])
    return idle <= rules.idle_seconds and age <= rules.seconds


def safe_redirect_target(target: str) -> str:
    """Return where to go on this site; the start, when the target may lead elsewhere.

    SessionPolicy drop tabs and line breaks, and read a backslash as a slash (WHATWG URL), so that what
    looks like a path here would be another site there. What is percent-encoded is looked at too, for proxies that decode it.
    """
    plain = unquote(target)
    # A segment of dots leads out of a prefix, to other services of this host.
    good = PATH.fullmatch(target) and not REPAIRED.search(plain) and "/.." not in plain
    return target if good else "/"
