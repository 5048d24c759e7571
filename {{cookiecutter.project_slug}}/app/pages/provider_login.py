"""Logging in at the OpenID provider, and out again.

What the answer is held to lies in the signed cookie of the browser that asked: an answer to
anybody else's question is good for nothing here.
"""

import hmac
import time
from dataclasses import asdict

from flask import Blueprint, redirect, request, session
from werkzeug.wrappers import Response

from app.core.access import auth_log, browser_session, oidc_login
from app.core.access.oidc_login import (
    CALLBACK,
    SIGNED_OUT,
    AuthorizationRequest,
    LoginFailed,
    LoginUnavailable,
)
from app.pages import (  # one line where it fits
    # {% if cookiecutter.database != "none" %}
    provider_sessions,
    # {% endif %}
    rendering,
)
from app.pages.login_required import LOGIN, LOGOUT, local

ASKED = "asked"  # in the cookie
SECONDS = 600  # how long logging in may take
MAX_TABS = 3  # tabs in which somebody is logging in at once; a cookie is small
MAX_LENGTH = 512  # characters of where to lead on to

blueprint = Blueprint("provider_login", __name__)


@blueprint.get(LOGIN)
def login() -> Response:
    """Send whoever is not logged in to the provider.

    By a link and not a form, because browsers follow no redirect from a form to another site
    (Content Security Policy, form-action).
    """
    onward = browser_session.safe_redirect_target(request.args.get("next", "/"))
    if browser_session.visitor():
        return redirect(onward, 303)
    url, question = oidc_login.of_app().start()
    _keep(question, onward if len(onward) <= MAX_LENGTH else "/")
    return redirect(url, 303)


@blueprint.get(CALLBACK)
def finish() -> Response:
    """Begin a session for whoever comes back from the provider, and lead on."""
    with auth_log.log_outcome("login"):
        question, onward = _kept(request.args.get("state", ""))
        principal, name = oidc_login.of_app().finish(question, request.args)
        # {% if cookiecutter.database != "none" %}
        principal = provider_sessions.begin(principal)
        # {% endif %}
    browser_session.login(principal, name)
    return redirect(browser_session.safe_redirect_target(onward), 303)


@blueprint.post(LOGOUT)
def logout() -> Response:
    """End the session."""
    # {% if cookiecutter.database != "none" %}
    provider_sessions.end()
    # {% endif %}
    browser_session.logout()
    return redirect(SIGNED_OUT, 303)


@blueprint.get(SIGNED_OUT)
def logged_out() -> Response:
    """Offer to log in again, and to log out of the provider as well."""
    try:
        elsewhere = oidc_login.of_app().logout_url()
    except LoginUnavailable:
        elsewhere = None
    return rendering.page("provider/logged_out.html", elsewhere=elsewhere, login=local(LOGIN))


def _keep(question: AuthorizationRequest, onward: str) -> None:
    kept = {**asdict(question), "next": onward, "asked": int(time.time())}
    session[ASKED] = [*session.get(ASKED, []), kept][-MAX_TABS:]


def _kept(state: str) -> tuple[AuthorizationRequest, str]:
    """Take out what is kept of a question, and where to lead on to.

    Raises:
        LoginFailed: when this browser has not asked it, or not lately, or has its answer.

    """
    asked = session.get(ASKED, [])
    for kept in asked:
        if hmac.compare_digest(kept["state"].encode(), state.encode()):
            session[ASKED] = [each for each in asked if each is not kept]
            if time.time() > kept["asked"] + SECONDS:
                break
            return AuthorizationRequest(kept["state"], kept["nonce"], kept["verifier"]), kept[
                "next"
            ]
    raise LoginFailed
