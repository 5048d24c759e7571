"""Forms that change the password or address of an account, or close it.

Each form asks for the current password, because a browser may be left unattended and a cookie may
be stolen. A wrong password counts as a failed login.
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
from app.pages.account_parts import ACCOUNT, AccountForm, Fact, page, redirect_with
from app.pages.accounts import NewPasswordField, add_problem, email_field
from app.pages.forms import MISSING
from app.users import service
from app.users.attempts import TooManyAttempts
from app.users.passwords import WeakPassword
from app.users.schemas import MAX_PASSWORD_LENGTH
from app.users.service import WrongPassword

HERE = "pages.account_changes"

blueprint = Blueprint("account_changes", __name__)


class ProofForm(AccountForm):
    """A form that requires the current password."""

    back = ACCOUNT
    current_password = PasswordField(
        "Current password",
        [InputRequired(MISSING), Length(max=MAX_PASSWORD_LENGTH, message="Is too long.")],
        render_kw={"autocomplete": "current-password"},
    )

    def proof(self) -> tuple[UUID, str, str]:
        """Return the user's id, the typed password and the client's IP address."""
        return access.principal().id, str(self.current_password.data), str(request.remote_addr)

    def prove(self) -> None:
        """Verify the password."""
        service.confirm_password(*self.proof())

    def confirm(self) -> Response | None:
        """Return the page with this form, or None after it was sent with the right password."""
        return submit(self, self.prove)

    def show(self, problem: Problem) -> None:
        """Show a problem beside its field, or above the form."""
        if isinstance(problem, WrongPassword):
            self.current_password.errors = [problem.detail]
        else:
            add_problem(self, problem)


class PasswordForm(ProofForm):
    """A change of password."""

    title = "Change your password"
    explanation = "A new password ends all your other sessions."
    button = "Change the password"
    password = NewPasswordField("New password")

    def show(self, problem: Problem) -> None:
        """Show the rules that the new password breaks beside its field."""
        if isinstance(problem, WeakPassword):
            self.password.errors = problem.sentences
        else:
            super().show(problem)


class EmailForm(ProofForm):
    """A change of address."""

    title = "Change your email address"
    explanation = (
        "You get a message at the new address. The link in it makes the change; until then you log in "
        "with the present one."
    )
    button = "Send the link"
    email = email_field("New email address")


class CloseForm(ProofForm):
    """The confirmation to close an account."""

    title = "Close your account"
    explanation = (
        "Closing your account ends all your sessions, and you cannot log in afterwards. "
        # {% if cookiecutter.example %}
        "Your orders are kept. "
        # {% endif %}
        "Only an administrator can open it again."
    )
    button = "Close the account"
    kind = "danger"


def submit(form: ProofForm, act: Callable[[], None]) -> Response | None:
    """Validate a form and call `act`; return the page with the form if either fails, else None."""
    if not form.validate_on_submit():
        return page(form)
    try:
        act()
    except (WrongPassword, WeakPassword, TooManyAttempts) as problem:
        form.show(problem)
        return page(form, problem)
    return None


def facts() -> list[Fact]:
    """Return the facts about the user's account."""
    found = service.find(access.principal().id)
    return [
        Fact(
            "Email address",
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
@login_required.requires("account")
def change_password() -> Response:
    """Show the form for a new password, and change it on submission."""
    form = PasswordForm()

    def change() -> None:
        user_id, current, address = form.proof()
        session_id = access.principal().session
        password = str(form.password.data)
        service.change_password(user_id, current, password, address, session_id=session_id)

    return submit(form, change) or redirect_with(
        "Your password is changed. All your other sessions have ended."
    )


@blueprint.route("/account/email", methods=["GET", "POST"])
@login_required.requires("account")
def change_email() -> Response:
    """Show the form for a new address, and send a link to it on submission."""
    form = EmailForm()

    def request_change() -> None:
        user_id, current, address = form.proof()
        service.request_email_change(user_id, current, str(form.email.data), address)

    # The response must not reveal whether the address has an account.
    return submit(form, request_change) or redirect_with(
        "If the new address can be used, a message is on its way to it. Follow the link in it."
    )


@blueprint.route("/account/close", methods=["GET", "POST"])
@login_required.requires("account")
def close() -> Response:
    """Ask for confirmation, then close the account."""
    form = CloseForm()
    if refused := submit(form, lambda: service.deactivate(*form.proof())):
        return refused
    browser_session.logout()
    flash("Your account is closed.", "success")
    return redirect(login_required.LOGIN, 303)
