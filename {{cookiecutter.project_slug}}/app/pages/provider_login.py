"""Login at the OpenID provider, and logout.

The state, nonce and verifier of an authorization request are stored in the browser's signed session
cookie, so a callback is accepted only in the browser that started the login.
"""

import hmac
import time
from dataclasses import asdict

from flask import Blueprint, redirect, request, session
from werkzeug.wrappers import Response

from app.core.access import auth_log, browser_session, oidc_login
from app.core.access.oidc_login import (
    CALLBACK,
    LOGGED_OUT,
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

PENDING = "asked"  # key in the session cookie
SECONDS = 600  # maximum time from the authorization request to the callback
MAX_TABS = 3  # concurrent logins in one browser; the size of a cookie is limited
MAX_LENGTH = 512  # characters of the redirect target stored in the cookie

blueprint = Blueprint("provider_login", __name__)


@blueprint.get(LOGIN)
def login() -> Response:
    """Redirect a browser without a session to the provider.

    GET rather than POST: form-action in the Content Security Policy forbids a form's redirect to
    another site.
    """
    onward = browser_session.safe_redirect_target(request.args.get("next", "/"))
    if browser_session.user():
        return redirect(onward, 303)
    url, authorization = oidc_login.configured().start()
    _store_request(authorization, onward if len(onward) <= MAX_LENGTH else "/")
    return redirect(url, 303)


@blueprint.get(CALLBACK)
def finish() -> Response:
    """Handle the callback: validate it, start a session, and redirect to `next`."""
    with auth_log.log_outcome("login"):
        authorization, onward = _take_request(request.args.get("state", ""))
        principal, name = oidc_login.configured().finish(authorization, request.args)
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
    return redirect(LOGGED_OUT, 303)


@blueprint.get(LOGGED_OUT)
def logged_out() -> Response:
    """Offer to log in again, and to log out at the provider."""
    try:
        elsewhere = oidc_login.configured().logout_url()
    except LoginUnavailable:
        elsewhere = None
    return rendering.page("provider/logged_out.html", elsewhere=elsewhere, login=local(LOGIN))


def _store_request(authorization: AuthorizationRequest, onward: str) -> None:
    kept = {**asdict(authorization), "next": onward, "asked": int(time.time())}
    session[PENDING] = [*session.get(PENDING, []), kept][-MAX_TABS:]


def _take_request(state: str) -> tuple[AuthorizationRequest, str]:
    """Remove and return a stored authorization request and its redirect target.

    Raises:
        LoginFailed: when this browser has no request with this state, or it has expired.

    """
    asked = session.get(PENDING, [])
    for kept in asked:
        if hmac.compare_digest(kept["state"].encode(), state.encode()):
            session[PENDING] = [each for each in asked if each is not kept]
            if time.time() > kept["asked"] + SECONDS:
                break
            return AuthorizationRequest(kept["state"], kept["nonce"], kept["verifier"]), kept[
                "next"
            ]
    raise LoginFailed
