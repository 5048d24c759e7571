"""The parts of the account pages: facts about the account, and forms that change it."""

from dataclasses import dataclass
from datetime import datetime

from flask import flash, redirect, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response

from app.core.errors import Problem
from app.pages import rendering

ACCOUNT = "pages.account.index"


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact about an account, with a link to the page that changes it."""

    label: str
    value: str | datetime = ""
    hint: str = ""
    change: str = ""
    """The text of the link. Empty if the fact cannot be changed."""
    href: str = ""
    kind: str = ""


class AccountForm(FlaskForm):
    """A form with a page of its own."""

    title: str
    explanation: str
    button: str
    kind = "primary"
    """The style of the button: `primary` or `danger`."""
    back: str | None = None
    """The endpoint of the link beside the button, or None."""

    def confirm(self) -> Response | None:
        """Return the page with this form, or None after it was sent."""
        return None if self.validate_on_submit() else page(self)


def page(form: AccountForm, problem: Problem | None = None) -> Response:
    """Return the page of a form, with its errors and the status of the problem, if any."""
    status = problem.status if problem else 422 if form.is_submitted() else 200
    response = rendering.page("account/form.html", status, form=form)
    response.headers.update(problem.headers if problem else {})
    return response


def redirect_with(message: str) -> Response:
    """Redirect to the account page, which shows this message."""
    flash(message, "success")
    return redirect(url_for(ACCOUNT), 303)
