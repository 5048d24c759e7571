"""Which pages are for people who are logged in, and what the frame offers them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec
from urllib.parse import urlencode

from flask import (  # one line where it fits
    Flask,
    flash,
    redirect,
    request,
    # {% if cookiecutter.auth == "jwt" or cookiecutter.database != "none" %}
    url_for,
    # {% endif %}
)
from werkzeug.wrappers import Response

from app.core.access import browser_session, scopes

LOGIN = "/login"
LOGOUT = "/logout"
# Where whoever sent a form without being logged in begins again: nothing of it is kept.
# {% if cookiecutter.auth == "oidc" %}
ANEW = "/logged-out"  # with a link, because no redirect leads from a form to another site
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
ANEW = LOGIN
# {% endif %}

ENDED = "Your session has ended, so the form was not sent. Log in and fill it in again."

P = ParamSpec("P")

SCOPE = "scope"
"""The attribute of a view with the scope that it requires."""


@dataclass(frozen=True, slots=True)
class Personal:
    """What the frame shows of the person before the browser: URLs by their labels."""

    name: str | None = None
    links: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, str] = field(default_factory=dict)


def init_app(app: Flask) -> None:
    """Refuse to start with a page for a scope that no domain has declared; called after the views."""
    views = app.view_functions.values()
    scopes.of(app).require({scope for view in views if (scope := view.__dict__.get(SCOPE))})


def only(scope: str | None = None) -> Callable[[Callable[P, Response]], Callable[P, Response]]:
    """Show a page only to people with this scope; whoever is not logged in is sent to do so.

    Without a scope, everybody who is logged in sees it.
    """

    def decorate(view: Callable[P, Response]) -> Callable[P, Response]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
            return view(*args, **kwargs) if browser_session.admit(scope) else _to_login()

        guarded.__dict__[SCOPE] = scope
        return guarded

    return decorate


def local(path: str) -> str:
    """Return the URL of a path of this service, also when that is below a prefix."""
    return request.script_root + path


def personal(*, asks_database: bool = True) -> Personal:
    """Return the frame's part for this person; without the database, as their cookie has it."""
    if asks_database:
        browser_session.visitor()
    name = browser_session.cookie_name()
    if name is None:
        return Personal(links={"Log in": local(LOGIN)})
    links: dict[str, str] = {}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.database != "none" %}
    links["Account"] = url_for("pages.account.index")
    # {% endif %}
    return Personal(name, links, {"Log out": local(LOGOUT)})


def _to_login() -> Response:
    if request.method not in {"GET", "HEAD"}:
        flash(ENDED, "failure")
        return redirect(ANEW, 303)
    wanted = request.full_path.removesuffix("?")
    return redirect(f"{LOGIN}?{urlencode({'next': wanted})}", 303)
