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

AUTHORIZATION_REQUESTS = "authorization_requests"  # key in the session cookie
REQUEST_MAX_AGE_SECONDS = 600  # maximum time from the authorization request to the callback
MAX_TABS = 3  # concurrent logins in one browser; the size of a cookie is limited
MAX_LENGTH = 512  # characters of the redirect target stored in the cookie

blueprint = Blueprint("provider_login", __name__)


@blueprint.get(LOGIN)
def login() -> Response:
    """Redirect a browser without a session to the provider.

    GET rather than POST: form-action in the Content Security Policy forbids a form's redirect to
    another site.
    """
    target = browser_session.safe_redirect_target(request.args.get("next", "/"))
    if browser_session.user():
        return redirect(target, 303)
    url, authorization = oidc_login.configured().start()
    _store_request(authorization, target if len(target) <= MAX_LENGTH else "/")
    return redirect(url, 303)


@blueprint.get(CALLBACK)
def finish() -> Response:
    """Handle the callback: validate it, start a session, and redirect to `next`."""
    with auth_log.log_outcome("login"):
        authorization, target = _take_request(request.args.get("state", ""))
        principal, name = oidc_login.configured().finish(authorization, request.args)
        # {% if cookiecutter.database != "none" %}
        principal = provider_sessions.begin(principal)
        # {% endif %}
    browser_session.login(principal, name)
    return redirect(browser_session.safe_redirect_target(target), 303)


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
        logout_url = oidc_login.configured().logout_url()
    except LoginUnavailable:
        logout_url = None
    return rendering.page("provider/logged_out.html", logout_url=logout_url, login=local(LOGIN))


def _store_request(authorization: AuthorizationRequest, target: str) -> None:
    stored = {**asdict(authorization), "next": target, "requested_at": int(time.time())}
    session[AUTHORIZATION_REQUESTS] = [*session.get(AUTHORIZATION_REQUESTS, []), stored][-MAX_TABS:]


def _take_request(state: str) -> tuple[AuthorizationRequest, str]:
    """Remove and return a stored authorization request and its redirect target.

    Raises:
        LoginFailed: when this browser has no request with this state, or it has expired.

    """
    pending = session.get(AUTHORIZATION_REQUESTS, [])
    for stored in pending:
        if hmac.compare_digest(stored["state"].encode(), state.encode()):
            session[AUTHORIZATION_REQUESTS] = [each for each in pending if each is not stored]
            if time.time() > stored["requested_at"] + REQUEST_MAX_AGE_SECONDS:
                break
            keys = ("state", "nonce", "verifier")
            return AuthorizationRequest(**{key: stored[key] for key in keys}), stored["next"]
    raise LoginFailed
