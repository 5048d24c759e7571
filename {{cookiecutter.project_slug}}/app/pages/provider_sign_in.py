"""Signing in at the OpenID provider, and out again.

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
    Question,
    SignInRefused,
    SignInUnavailable,
)
from app.pages import (  # one line where it fits
    # {% if cookiecutter.database != "none" %}
    logins,
    # {% endif %}
    rendering,
)
from app.pages.visitors import SIGN_IN, SIGN_OUT, local

ASKED = "asked"  # in the cookie
SECONDS = 600  # how long signing in may take
MOST = 3  # tabs in which somebody is signing in at once; a cookie is small
LONGEST = 512  # characters of where to lead on to

blueprint = Blueprint("provider_sign_in", __name__)


@blueprint.get(SIGN_IN)
def sign_in() -> Response:
    """Send whoever is not signed in to the provider.

    By a link and not a form, because browsers follow no redirect from a form to another site
    (Content Security Policy, form-action).
    """
    onward = browser_session.inside(request.args.get("next", "/"))
    if browser_session.visitor():
        return redirect(onward, 303)
    url, question = oidc_login.of_app().ask()
    _keep(question, onward if len(onward) <= LONGEST else "/")
    return redirect(url, 303)


@blueprint.get(CALLBACK)
def finish() -> Response:
    """Begin a session for whoever comes back from the provider, and lead on."""
    with auth_log.told("signing in"):
        question, onward = _kept(request.args.get("state", ""))
        caller, name = oidc_login.of_app().learn(question, request.args)
        # {% if cookiecutter.database != "none" %}
        caller = logins.begin(caller)
        # {% endif %}
    browser_session.sign_in(caller, name)
    return redirect(browser_session.inside(onward), 303)


@blueprint.post(SIGN_OUT)
def sign_out() -> Response:
    """End the session."""
    # {% if cookiecutter.database != "none" %}
    logins.end()
    # {% endif %}
    browser_session.sign_out()
    return redirect(SIGNED_OUT, 303)


@blueprint.get(SIGNED_OUT)
def signed_out() -> Response:
    """Offer to sign in again, and to sign out of the provider as well."""
    try:
        elsewhere = oidc_login.of_app().sign_out_url()
    except SignInUnavailable:
        elsewhere = None
    return rendering.page("provider/signed_out.html", elsewhere=elsewhere, sign_in=local(SIGN_IN))


def _keep(question: Question, onward: str) -> None:
    kept = {**asdict(question), "next": onward, "asked": int(time.time())}
    session[ASKED] = [*session.get(ASKED, []), kept][-MOST:]


def _kept(state: str) -> tuple[Question, str]:
    """Take out what is kept of a question, and where to lead on to.

    Raises:
        SignInRefused: when this browser has not asked it, or not lately, or has its answer.

    """
    asked = session.get(ASKED, [])
    for kept in asked:
        if hmac.compare_digest(kept["state"].encode(), state.encode()):
            session[ASKED] = [each for each in asked if each is not kept]
            if time.time() > kept["asked"] + SECONDS:
                break
            return Question(kept["state"], kept["nonce"], kept["verifier"]), kept["next"]
    raise SignInRefused
