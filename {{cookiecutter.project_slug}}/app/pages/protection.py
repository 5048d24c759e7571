"""Whether a form was sent from a page of this service, twice: by its token and by its origin.

Only pages take cookies, so only their forms are checked: the API and its likes ask for something
that no browser sends by itself.
"""

from urllib.parse import urlsplit

from flask import Flask, request
from flask_wtf.csrf import CSRFError, CSRFProtect

from app.core.errors import Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_SECONDS = 43_200  # how long a page may stay open before its form is sent

csrf = CSRFProtect()


class FormRefused(Problem):
    """The token is missing, wrong or too old; it is not told which."""

    status = 400
    code = "form_refused"
    detail = "This form is no longer valid. Go back, load the page again, and send it once more."


class ForeignForm(Problem):
    """The form stood on a page of somebody else."""

    status = 403
    code = "foreign_form"
    detail = "This form was not sent from a page of this service."


def init_app(app: Flask) -> None:
    """Say how forms are protected."""
    app.config.update(
        WTF_CSRF_TIME_LIMIT=FORM_SECONDS,
        # Not for every route: `refuse_foreign_forms` does it for the pages.
        WTF_CSRF_CHECK_DEFAULT=False,
        # It compares Referer, which people's tools take away; Origin says the same.
        WTF_CSRF_SSL_STRICT=False,
    )
    csrf.init_app(app)


def refuse_foreign_forms() -> None:
    """Check every request that may change something (a before_request function).

    Raises:
        ForeignForm: when the browser says that another site's page sent it.
        FormRefused: when it does not carry this visitor's token.

    """
    if request.method in SAFE_METHODS:
        return
    # Fetch metadata (W3C) and Origin (RFC 6454): no page can write these headers. Only the host is
    # compared, since the scheme may end at a proxy; a browser that knows of fetch metadata calls
    # another scheme another site.
    origin = request.headers.get("Origin")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"} or (
        origin is not None and urlsplit(origin).netloc != request.host
    ):
        raise ForeignForm
    try:
        csrf.protect()
    except CSRFError:
        raise FormRefused from None
