"""What the pages of an account are made of: facts about it, and forms that change it."""

from dataclasses import dataclass
from datetime import datetime

from flask_wtf import FlaskForm
from werkzeug.wrappers import Response

from app.core.errors import Problem
from app.pages import rendering


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is known of an account, and the page that changes it."""

    label: str
    value: str | datetime = ""
    hint: str = ""
    change: str = ""
    """What the link to that page says; without it there is no such page."""
    href: str = ""
    kind: str = ""


class AccountForm(FlaskForm):
    """A form on a page of its own."""

    title: str
    explanation: str
    button: str
    kind = "primary"
    """How the button looks: `primary` or `danger`."""
    back: str | None = None
    """The endpoint that a link beside the button leads to, if there is one."""

    def confirm(self) -> Response | None:
        """Return the page with this form, or None once it was sent."""
        return None if self.validate_on_submit() else page(self)


def page(form: AccountForm, problem: Problem | None = None) -> Response:
    """Show a form: as it is, or with what is wrong in it and the status of the problem."""
    status = problem.status if problem else 422 if form.is_submitted() else 200
    answer = rendering.page("account/form.html", status, form=form)
    answer.headers.update(problem.headers if problem else {})
    return answer
