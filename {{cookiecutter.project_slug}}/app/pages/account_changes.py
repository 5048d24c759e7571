"""Changing the password or the address of an account, and closing it.

Each form asks for the current password: a browser may be left open, and a cookie may be stolen. Wrong
passwords are counted as failed logins are.
"""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import PasswordField
from wtforms.validators import InputRequired, Length

from app.core import access
from app.core.access import browser_session
from app.core.errors import Problem
from app.pages import login_required
from app.pages.account_parts import AccountForm, Fact, page
from app.pages.accounts import email_field, password_field
from app.pages.forms import MISSING
from app.pages.rendering import sentence
from app.users import service
from app.users.attempts import TooManyAttempts
from app.users.passwords import WeakPassword
from app.users.schemas import MAX_PASSWORD_LENGTH
from app.users.service import WrongPassword

ACCOUNT = "pages.account.index"
HERE = "pages.account_changes"

blueprint = Blueprint("account_changes", __name__)


class ProofForm(AccountForm):
    """A form that takes effect only with the current password."""

    back = ACCOUNT
    current_password = PasswordField(
        "Current password",
        [InputRequired(MISSING), Length(max=MAX_PASSWORD_LENGTH, message="Is too long.")],
        render_kw={"autocomplete": "current-password"},
    )

    def proof(self) -> tuple[UUID, str, str]:
        """Return who is logged in, the password that was typed, and the client's address."""
        return access.principal().id, str(self.current_password.data), str(request.remote_addr)

    def prove(self) -> None:
        """Compare the password."""
        service.confirm_password(*self.proof())

    def confirm(self) -> Response | None:
        """Return the page with this form, or None once it was sent with the right password."""
        return submit(self, self.prove)

    def show(self, problem: Problem) -> None:
        """Put a problem beside the field that it is about, or above the form."""
        if isinstance(problem, WrongPassword):
            self.current_password.errors = [problem.detail]
        else:
            retry_after = problem.headers.get("Retry-After")
            self.form_errors.append(sentence(problem.status, problem.detail, retry_after))


class PasswordForm(ProofForm):
    """Another password."""

    title = "Change your password"
    explanation = "A new password ends all your other sessions."
    button = "Change the password"
    password = password_field("New password")

    def show(self, problem: Problem) -> None:
        """Put what is wrong with the new password beside it."""
        if isinstance(problem, WeakPassword):
            self.password.errors = problem.sentences
        else:
            super().show(problem)


class EmailForm(ProofForm):
    """Another address."""

    title = "Change your e-mail address"
    explanation = (
        "You get a message at the new address. The link in it makes the change; until then you log in "
        "with the present one."
    )
    button = "Send the link"
    email = email_field("New e-mail address")


class CloseForm(ProofForm):
    """The end of an account."""

    title = "Close your account"
    explanation = (
        "Closing your account ends all your sessions, and nobody can log in with it afterwards. Your "
        "orders are kept. Only an administrator can open it again."
    )
    button = "Close the account"
    kind = "danger"


def submit(form: ProofForm, act: Callable[[], None]) -> Response | None:
    """Do what a form asks for; return the form again if it is not filled in or is refused."""
    if not form.validate_on_submit():
        return page(form)
    try:
        act()
    except (WrongPassword, WeakPassword, TooManyAttempts) as problem:
        form.show(problem)
        return page(form, problem)
    return None


def facts() -> list[Fact]:
    """Return what is known of the account of whoever is logged in."""
    found = service.find(access.principal().id)
    return [
        Fact(
            "E-mail address",
            found.email,
            change="Change the address",
            href=url_for(f"{HERE}.change_email"),
        ),
        Fact(
            "Password",
            hint=PasswordForm.explanation,
            change="Change the password",
            href=url_for(f"{HERE}.change_password"),
        ),
        Fact(
            "Account",
            found.created_at,
            change=CloseForm.button,
            href=url_for(f"{HERE}.close"),
            kind=CloseForm.kind,
        ),
    ]


@blueprint.route("/account/password", methods=["GET", "POST"])
@login_required.only("account")
def change_password() -> Response:
    """Ask for a new password, and change it once it is sent."""
    form = PasswordForm()

    def change() -> None:
        user_id, current, address = form.proof()
        session_id = access.principal().session
        password = str(form.password.data)
        service.change_password(user_id, current, password, address, session_id=session_id)

    return submit(form, change) or _done(
        "Your password is changed. All your other sessions have ended."
    )


@blueprint.route("/account/email", methods=["GET", "POST"])
@login_required.only("account")
def change_email() -> Response:
    """Ask for a new address, and write to it once it is sent."""
    form = EmailForm()

    def ask() -> None:
        user_id, current, address = form.proof()
        service.ask_to_change_email(user_id, current, str(form.email.data), address)

    # Nobody learns here whether the address has an account.
    return submit(form, ask) or _done(
        "If the new address can be used, a message is on its way to it. Follow the link in it."
    )


@blueprint.route("/account/close", methods=["GET", "POST"])
@login_required.only("account")
def close() -> Response:
    """Ask whether the account shall be closed, and close it once that is confirmed."""
    form = CloseForm()
    if refused := submit(form, lambda: service.deactivate(*form.proof())):
        return refused
    browser_session.logout()
    flash("Your account is closed.", "success")
    return redirect(login_required.LOGIN, 303)


def _done(sentence: str) -> Response:
    flash(sentence, "success")
    return redirect(url_for(ACCOUNT), 303)
