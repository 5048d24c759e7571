"""Making an account, and what the links in its letters lead to.

Following a link changes nothing, since scanners of mail follow links too. It moves the token out of
the URL into this browser's session and leads on to the page without it: no history, log or referrer
keeps it. The form on that page uses it.
"""

from collections.abc import Callable
from functools import wraps

from flask import Blueprint, flash, redirect, request, session
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import EmailField, PasswordField, ValidationError
from wtforms.validators import InputRequired, Length

from app.core import links, mail
from app.core.errors import Problem
from app.core.links import InvalidLink, Purpose
from app.core.passwords import LONGEST, SHORTEST, WeakPassword
from app.pages import rendering
from app.pages.forms import MISSING
from app.pages.visitors import SIGN_IN
from app.users import service
from app.users.attempts import TooManyAttempts
from app.users.schemas import LONGEST_PASSWORD
from app.users.service import RegistrationClosed

LETTER = "A letter is on its way, if this address can have one. It says how to go on."
KEPT = "link"

blueprint = Blueprint("accounts", __name__)


def _normalise(form: FlaskForm, field: EmailField) -> None:
    """Take an address in the one spelling that is stored."""
    del form
    address = mail.normalised(str(field.data).strip())
    if address is None:
        message = "Must be an address such as ann@example.com."
        raise ValidationError(message)
    field.data = address


def _email_field() -> EmailField:
    return EmailField(
        "E-mail address",
        [InputRequired(MISSING), _normalise],
        render_kw={"autocomplete": "username"},
    )


def _password_field(label: str) -> PasswordField:
    return PasswordField(
        label,
        [InputRequired(MISSING), Length(max=LONGEST_PASSWORD, message="Is too long.")],
        description=f"{SHORTEST} to {LONGEST} characters of any kind",
        render_kw={"autocomplete": "new-password"},
    )


class AccountForm(FlaskForm):
    """A page of its own."""

    title: str
    button: str


class RegistrationForm(AccountForm):
    """Who wants an account."""

    title = "Make an account"
    button = "Make the account"
    email = _email_field()
    password = _password_field("Password")


class ForgottenForm(AccountForm):
    """Whom to write to."""

    title = "Forgotten password"
    button = "Send a letter"
    email = _email_field()


class NewPasswordForm(AccountForm):
    """Another password."""

    title = "New password"
    button = "Change the password"
    password = _password_field("New password")


class VerificationForm(AccountForm):
    """A button."""

    title = "Confirm your address"
    button = "Confirm the address"


class ChangeForm(AccountForm):
    """A button."""

    title = "Confirm your new address"
    button = "Use this address"


@blueprint.route("/account/register", methods=["GET", "POST"])
def register() -> Response:
    """Ask for an account; the answer is the same if there is one already."""
    if not service.registration_open():
        raise RegistrationClosed
    form = RegistrationForm()
    if not form.validate_on_submit():
        return _page(form)
    try:
        service.register(str(form.email.data), str(form.password.data), str(request.remote_addr))
    except WeakPassword as weak:
        form.password.errors = weak.sentences
        return _page(form, weak)
    except TooManyAttempts as problem:
        return _refused(form, problem)
    return _to_sign_in(LETTER)


@blueprint.route("/account/forgot-password", methods=["GET", "POST"])
def forgot_password() -> Response:
    """Ask for a letter; the answer is the same if there is no account."""
    form = ForgottenForm()
    if not form.validate_on_submit():
        return _page(form)
    try:
        service.ask_to_reset_password(str(form.email.data), str(request.remote_addr))
    except TooManyAttempts as problem:
        return _refused(form, problem)
    return _to_sign_in(LETTER)


def _link(purpose: Purpose) -> Callable[[Callable[[str], Response]], Callable[[], Response]]:
    """Lead a link to a page, which is given the token that the link had."""

    def decorate(view: Callable[[str], Response]) -> Callable[[], Response]:
        @blueprint.route(f"/account/{purpose}", methods=["GET", "POST"])
        @wraps(view)
        def linked() -> Response:
            if sent := request.args.get("token"):
                links.of_app().open(purpose, sent)  # what is not ours is not kept
                session[KEPT] = [purpose, sent]
                return redirect(request.path, 303)
            kept_for, token = session.get(KEPT, ("", ""))
            if kept_for != purpose:
                raise InvalidLink
            return view(token)

        return linked

    return decorate


@_link(Purpose.RESET_PASSWORD)
def reset_password(token: str) -> Response:
    """Ask for a new password, and change it once it is sent."""
    form = NewPasswordForm()
    if not form.validate_on_submit():
        return _page(form)
    try:
        service.reset_password(token, str(form.password.data))
    except WeakPassword as weak:
        form.password.errors = weak.sentences
        return _page(form, weak)
    return _to_sign_in("Your password is changed. Sign in with the new one.")


@_link(Purpose.VERIFY_EMAIL)
def verify_email(token: str) -> Response:
    """Show a button, and confirm the address of a new account once it is pressed."""
    form = VerificationForm()
    if not form.validate_on_submit():
        return _page(form)
    service.verify_email(token)
    return _to_sign_in("Your address is confirmed. Sign in.")


@_link(Purpose.CHANGE_EMAIL)
def change_email(token: str) -> Response:
    """Show a button, and let the account use another address once it is pressed."""
    form = ChangeForm()
    if not form.validate_on_submit():
        return _page(form)
    service.change_email(token)
    return _to_sign_in("Your account uses this address now.")


def _page(form: AccountForm, problem: Problem | None = None) -> Response:
    status = problem.status if problem else 422 if form.is_submitted() else 200
    answer = rendering.page("accounts/form.html", status, form=form)
    answer.headers.update(problem.headers if problem else {})
    return answer


def _refused(form: AccountForm, problem: Problem) -> Response:
    form.form_errors.append(problem.detail)
    return _page(form, problem)


def _to_sign_in(sentence: str) -> Response:
    session.pop(KEPT, None)
    flash(sentence, "success")
    return redirect(SIGN_IN, 303)
