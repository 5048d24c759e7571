"""Rendering of pages: the frame, the headers, and problems as pages."""

import math
import secrets
from http import HTTPStatus

from flask import Response, render_template, request, url_for

from app.core import errors
from app.core.http import api_paths, security
from app.pages import (  # one line where it fits
    assets,
    # {% if cookiecutter.auth != "none" %}
    login_required,
    # {% endif %}
)

SITE = "{{cookiecutter.project_name}}"
ABOUT = "{{cookiecutter.description}}"
# The links of the frame, on every page.
NAVIGATION = {
    # {% if not cookiecutter.example %}
    "Start": "pages.start.index",
    # {% endif %}
    # {% if cookiecutter.example and cookiecutter.database != "none" %}
    "Orders": "pages.orders.index",
    "New order": "pages.orders.new",
    # {% endif %}
    # {% if cookiecutter.example %}
    "Price a basket": "pages.quotes.quote",
    # {% endif %}
}
# Only scripts with the nonce of the response run, which an injected script cannot know. Forms can
# be sent only to this origin.
POLICY = (
    "default-src 'none'; script-src 'nonce-{}'; style-src 'self'; img-src 'self'; "
    f"form-action 'self'; {security.POLICY}"
)
HTML = "text/html"
A_MINUTE = 60  # seconds; longer times are shown in minutes


def page(template: str, status: int = 200, **context: object) -> Response:
    """Return a response with a rendered page."""
    response = Response(status=status)
    # {% if cookiecutter.auth != "none" %}
    context["user_menu"] = login_required.user_menu()
    # {% endif %}
    _fill(response, template, context)
    return response


def readable_detail(status: int, detail: str, retry_after: str | None) -> str:
    """Return a problem's detail for users: a waiting time instead of a reference to Retry-After."""
    seconds = int(retry_after or 0)
    if status != HTTPStatus.TOO_MANY_REQUESTS or not seconds:
        return detail
    number, unit = (seconds, "second")
    if seconds > A_MINUTE:
        number, unit = math.ceil(seconds / A_MINUTE), "minute"
    wait = f"{number} {unit}{'s' if number > 1 else ''}"
    return f"Too many attempts. Try again in {wait}."


def show_problem(response: Response) -> Response:
    """Render a problem as a page for a browser (an after_request function).

    `app.core.errors` creates the response. Those of the API are not changed.
    """
    if not isinstance(response, errors.ErrorResponse) or api_paths.in_api(request.path):
        return response
    response.vary.add("Accept")
    if request.accept_mimetypes.best_match([response.content_type, HTML]) == HTML:
        problem = response.problem
        detail = readable_detail(
            response.status_code, problem["detail"], response.headers.get("Retry-After")
        )
        context: dict[str, object] = {"problem": {**problem, "detail": detail}}
        # {% if cookiecutter.auth != "none" %}
        # The problem may be that the database is unavailable.
        context["user_menu"] = login_required.user_menu(asks_database=False)
        # {% endif %}
        _fill(response, "problem.html", context)
    return response


def _fill(response: Response, template: str, context: dict[str, object]) -> None:
    navigation = {label: url_for(endpoint) for label, endpoint in NAVIGATION.items()}
    nonce = secrets.token_urlsafe(16)
    response.set_data(
        render_template(
            f"pages/{template}",
            nonce=nonce,
            site=SITE,
            about=ABOUT,
            versioned=assets.versioned,
            navigation=navigation,
            home=next(iter(navigation.values())),
            **context,
        )
    )
    response.mimetype = HTML
    response.headers["Content-Security-Policy"] = POLICY.format(nonce)
    # With the service's own "no-referrer" a browser sends `Origin: null` with a form (Fetch).
    response.headers["Referrer-Policy"] = "same-origin"
