"""Protection of the pages: CSRF tokens, repeated query parameters, and the signature of cookies.

`app.core.http.cors` refuses requests from other origins already. Only the pages accept cookies, so
only their forms need CSRF tokens: other routes require something that browsers do not send by
themselves.
"""

import hashlib

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFError, CSRFProtect
from itsdangerous import Signer

from app.core.errors import Problem
from app.core.http.cors import SAFE_METHODS

FORM_SECONDS = 43_200  # how long a page may stay open before its form is sent

csrf = CSRFProtect()


class CSRFFailed(Problem):
    """The CSRF token is missing, wrong or expired. The response does not say which."""

    status = 400
    code = "csrf_failed"
    in_api = False
    detail = "This form is no longer valid. Go back, load the page again, and send it once more."


class RepeatedParameter(Problem):
    """A query parameter occurs twice. Parts of a system might each use another value."""

    status = 400
    code = "repeated_parameter"
    detail = "A query parameter was sent more than once."


class SignedSessions(SecureCookieSessionInterface):
    """Signs cookies with HMAC-SHA-256 instead of Flask's SHA-1 (OWASP ASVS 5.0, 11.4.1)."""

    digest_method = staticmethod(hashlib.sha256)


def init_app(app: Flask) -> None:
    """Configure the protection of forms and cookies."""
    app.session_interface = SignedSessions()
    # Flask-WTF has no setting for the digest of its tokens, so it uses the default of itsdangerous.
    # This is the documented attribute for that. It is global to the process, but does not affect
    # code that names a digest.
    Signer.default_digest_method = staticmethod(hashlib.sha256)
    app.config.update(
        WTF_CSRF_TIME_LIMIT=FORM_SECONDS,
        # Not for every route: `refuse_forged_forms` checks the pages.
        WTF_CSRF_CHECK_DEFAULT=False,
        # It checks Referer, which browser extensions remove; `app.core.http.cors` checks Origin.
        WTF_CSRF_SSL_STRICT=False,
    )
    csrf.init_app(app)


def refuse_forged_forms() -> None:
    """Check the CSRF token of every unsafe request (a before_request function).

    Raises:
        CSRFFailed: when the request does not carry the token of this browser's session.

    """
    if request.method in SAFE_METHODS:
        return
    try:
        csrf.protect()
    except CSRFError:
        raise CSRFFailed from None


def refuse_repeated_parameters() -> None:
    """Refuse repeated query parameters (a before_request function).

    RFC 6749, 3.1 forbids them in responses of OAuth 2.0.

    Raises:
        RepeatedParameter: when a parameter occurs more than once.

    """
    if any(len(values) > 1 for values in request.args.listvalues()):
        raise RepeatedParameter
