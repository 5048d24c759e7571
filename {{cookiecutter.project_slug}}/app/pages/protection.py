"""Which requests the pages refuse, whether a form was sent from one of them, and how cookies are signed.

Pages of other origins are refused already (`app.core.http.cors`). Only pages take cookies, so only their
forms have tokens too: the API and its likes ask for something that no browser sends by itself.
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
    """The token is missing, wrong or too old; it is not told which."""

    status = 400
    code = "csrf_failed"
    in_api = False
    detail = "This form is no longer valid. Go back, load the page again, and send it once more."


class RepeatedParameter(Problem):
    """A query parameter is there twice: parts of a system might each believe another one."""

    status = 400
    code = "repeated_parameter"
    detail = "A query parameter was sent more than once."


class SignedSessions(SecureCookieSessionInterface):
    """Signs cookies with HMAC-SHA-256 where Flask takes SHA-1 (OWASP ASVS 5.0, 11.4.1)."""

    digest_method = staticmethod(hashlib.sha256)


def init_app(app: Flask) -> None:
    """Say how forms and cookies are protected."""
    app.session_interface = SignedSessions()
    # Flask-WTF names no digest for its tokens and asks for none, so theirs is what itsdangerous takes
    # by default. This is its documented place, and the process's: whoever names a digest is not
    # concerned.
    Signer.default_digest_method = staticmethod(hashlib.sha256)
    app.config.update(
        WTF_CSRF_TIME_LIMIT=FORM_SECONDS,
        # Not for every route: `refuse_forged_forms` does it for the pages.
        WTF_CSRF_CHECK_DEFAULT=False,
        # It compares Referer, which people's tools take away; Origin says the same.
        WTF_CSRF_SSL_STRICT=False,
    )
    csrf.init_app(app)


def refuse_forged_forms() -> None:
    """Check every request that may change something (a before_request function).

    Raises:
        CSRFFailed: when it does not carry this visitor's token.

    """
    if request.method in SAFE_METHODS:
        return
    try:
        csrf.protect()
    except CSRFError:
        raise CSRFFailed from None


def refuse_repeated_parameters() -> None:
    """Check the query (a before_request function); RFC 6749, 3.1 asks for it of a provider's answer.

    Raises:
        RepeatedParameter: when a parameter is there more than once.

    """
    if any(len(values) > 1 for values in request.args.listvalues()):
        raise RepeatedParameter
