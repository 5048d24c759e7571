"""The login requirement of pages, and the frame's links for a user."""

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

from app.core.access import browser_session
from app.core.access.scopes import scopes

LOGIN = "/login"
LOGOUT = "/logout"
# The redirect target when a form was sent without a session. The form's data is not kept.
# {% if cookiecutter.auth == "oidc" %}
AFTER_LOST_SESSION = (
    "/logged-out"  # has a link: form-action forbids redirecting a form to the provider
)
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
AFTER_LOST_SESSION = LOGIN
# {% endif %}

ENDED = "Your session has ended, so the form was not sent. Log in and fill it in again."

P = ParamSpec("P")

SCOPE = "scope"
"""The attribute of a view with the scope that it requires."""


@dataclass(frozen=True, slots=True)
class UserMenu:
    """The part of the frame for a user; links and buttons map labels to URLs."""

    name: str | None = None
    links: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, str] = field(default_factory=dict)


def init_app(app: Flask) -> None:
    """Refuse to start with a page for a scope that no domain has declared; called after the views."""
    views = app.view_functions.values()
    scopes.of(app).require({scope for view in views if (scope := view.__dict__.get(SCOPE))})


def requires(scope: str | None = None) -> Callable[[Callable[P, Response]], Callable[P, Response]]:
    """Require this scope for a page; without a session, redirect to the login page.

    Without a scope, every logged-in user may see the page.
    """

    def decorate(view: Callable[P, Response]) -> Callable[P, Response]:
        @wraps(view)
        def wrapped_view(*args: P.args, **kwargs: P.kwargs) -> Response:
            return view(*args, **kwargs) if browser_session.authorize(scope) else _to_login()

        wrapped_view.__dict__[SCOPE] = scope
        return wrapped_view

    return decorate


def local(path: str) -> str:
    """Return the URL of a path of this service, with URL_PREFIX if there is one."""
    return request.script_root + path


def user_menu(*, asks_database: bool = True) -> UserMenu:
    """Return the frame's part for this user. Without the database, trust the name in the cookie."""
    if asks_database:
        browser_session.user()
    name = browser_session.cookie_name()
    if name is None:
        return UserMenu(links={"Log in": local(LOGIN)})
    links: dict[str, str] = {}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.database != "none" %}
    links["Account"] = url_for("pages.account.index")
    # {% endif %}
    return UserMenu(name, links, {"Log out": local(LOGOUT)})


def _to_login() -> Response:
    if request.method not in {"GET", "HEAD"}:
        flash(ENDED, "failure")
        return redirect(AFTER_LOST_SESSION, 303)
    target = request.full_path.removesuffix("?")
    return redirect(f"{LOGIN}?{urlencode({'next': target})}", 303)
