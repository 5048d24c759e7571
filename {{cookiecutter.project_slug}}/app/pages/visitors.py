"""Which pages are for people who are signed in, and what the frame offers them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec
from urllib.parse import urlencode

from flask import redirect, request
from werkzeug.wrappers import Response

from app.core import browser

SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"
# Where whoever sent a form without being signed in begins again: nothing of it is kept.
# {% if cookiecutter.auth == "oidc" %}
ANEW = "/signed-out"  # with a link, because no redirect leads from a form to another site
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
ANEW = SIGN_IN
# {% endif %}

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Action:
    """A button of the frame, and what it says beside it."""

    label: str
    path: str
    note: str


def only(scope: str) -> Callable[[Callable[P, Response]], Callable[P, Response]]:
    """Show a page only to people with this scope; whoever is not signed in is sent to do so."""

    def decorate(view: Callable[P, Response]) -> Callable[P, Response]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
            return view(*args, **kwargs) if browser.admit(scope) else _to_sign_in()

        return guarded

    return decorate


def actions() -> list[Action]:
    """Return the buttons of the frame."""
    visitor = browser.visitor()
    return [Action("Sign out", SIGN_OUT, visitor.name)] if visitor else []


def links() -> dict[str, str]:
    """Return what the navigation offers besides the pages."""
    return {} if browser.visitor() else {"Sign in": SIGN_IN}


def _to_sign_in() -> Response:
    if request.method not in {"GET", "HEAD"}:
        return redirect(ANEW, 303)
    wanted = request.full_path.removesuffix("?")
    return redirect(f"{SIGN_IN}?{urlencode({'next': wanted})}", 303)
