"""Registration, password reset, and the pages behind the links in emails.

Following a link changes nothing, because mail scanners follow links too. The link's token is moved
from the URL into the browser's session, followed by a redirect to the URL without it, so that no
history, log or Referer header contains the token. The form on that page uses it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, flash, redirect, request, session, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import EmailField, PasswordField, ValidationError
from wtforms.validators import InputRequired, Length

from app.core import mail
from app.core.access import browser_session
from app.core.errors import Problem
from app.pages.account_parts import ACCOUNT, AccountForm, page
from app.pages.forms import MISSING
from app.pages.login_required import LOGIN
from app.pages.rendering import readable_detail
from app.users import service
from app.users.attempts import TooManyAttempts
from app.users.passwords import MAX_LENGTH, WeakPassword, passwords
from app.users.schemas import MAX_PASSWORD_LENGTH
from app.users.service import RegistrationClosed
from app.users.signed_links import InvalidLink, Purpose, links

EMAIL_SENT = "If the address can receive an email, one is on its way. It says what to do next."
REGISTERED = "If the address had no account, it has one now. Log in."
KEPT = "link"

blueprint = Blueprint("accounts", __name__)


def _normalise(form: FlaskForm, field: EmailField) -> None:
    """Validate an address and replace it with its normalised form."""
    del form
    address = mail.normalised(str(field.data).strip())
    if address is None:
        message = "Must be an address such as ann@example.com."
        raise ValidationError(message)
    field.data = address


def email_field(label: str = "Email address") -> EmailField:
    """Return a required field for an email address."""
    return EmailField(
        label,
        [InputRequired(MISSING), _normalise],
        render_kw={"autocomplete": "username"},
    )


class NewPasswordField(PasswordField):
    """A required field for a new password, whose minimum length is a setting."""

    def __init__(self, label: str, **options: Any) -> None:  # noqa: ANN401  WTForms' options
        super().__init__(
            label,
            [InputRequired(MISSING), Length(max=MAX_PASSWORD_LENGTH, message="Is too long.")],
            description=f"{passwords.current.min_length} to {MAX_LENGTH} characters of any kind",
            render_kw={"autocomplete": "new-password"},
            **options,
        )


def add_problem(form: FlaskForm, problem: Problem) -> None:
    """Show a problem above a form."""
    retry_after = problem.headers.get("Retry-After")
    form.form_errors.append(readable_detail(problem.status, problem.detail, retry_after))


class RegistrationForm(AccountForm):
    """A registration."""

    title = "Make an account"
    explanation = "If the address must be confirmed, you get a message with a link."
    button = "Make the account"
    email = email_field()
    password = NewPasswordField("Password")


class ForgottenForm(AccountForm):
    """The address of an account whose password is forgotten."""

    title = "Forgotten password"
    explanation = "You get a message with a link to choose a new password."
    button = "Send an email"
    email = email_field()


class NewPasswordForm(AccountForm):
    """A new password, set with an emailed link."""

    title = "New password"
    explanation = "A new password ends all your sessions. Log in with it afterwards."
    button = "Change the password"
    password = NewPasswordField("New password")


class VerificationForm(AccountForm):
    """The confirmation of a new account's address."""

    title = "Confirm your address"
    explanation = "The link in our message shows that the address is yours. Confirm it to log in."
    button = "Confirm the address"


class ChangeForm(AccountForm):
    """The confirmation of a change of address."""

    title = "Confirm your new address"
    explanation = (
        "The link in our message shows that the address is yours. Once you confirm it, you log in with "
        "it instead of the old one."
    )
    button = "Use this address"


@blueprint.route("/account/register", methods=["GET", "POST"])
def register() -> Response:
    """Register an account. The response is the same if the address has one already."""
    if not service.registration_open.current:
        raise RegistrationClosed
    form = RegistrationForm()
    if not form.validate_on_submit():
        return page(form)
    try:
        service.register(str(form.email.data), str(form.password.data), str(request.remote_addr))
    except WeakPassword as weak:
        form.password.errors = weak.sentences
        return page(form, weak)
    except TooManyAttempts as problem:
        add_problem(form, problem)
        return page(form, problem)
    return _redirect_with(EMAIL_SENT if service.confirmation_required.current else REGISTERED)


@blueprint.route("/account/forgot-password", methods=["GET", "POST"])
def forgot_password() -> Response:
    """Request a password reset. The response is the same if there is no account."""
    form = ForgottenForm()
    if not form.validate_on_submit():
        return page(form)
    try:
        service.request_password_reset(str(form.email.data), str(request.remote_addr))
    except TooManyAttempts as problem:
        add_problem(form, problem)
        return page(form, problem)
    return _redirect_with(EMAIL_SENT)


def _link(purpose: Purpose) -> Callable[[Callable[[str], Response]], Callable[[], Response]]:
    """Register a view for the links of a purpose; pass it the token of the followed link."""

    def decorate(view: Callable[[str], Response]) -> Callable[[], Response]:
        @blueprint.route(f"/account/{purpose}", methods=["GET", "POST"])
        @wraps(view)
        def linked() -> Response:
            if sent := request.args.get("token"):
                links.current.open(purpose, sent)  # store only a valid token
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
    """Show the form for a new password, and set it on submission."""
    form = NewPasswordForm()
    if not form.validate_on_submit():
        return page(form)
    try:
        service.reset_password(token, str(form.password.data))
    except WeakPassword as weak:
        form.password.errors = weak.sentences
        return page(form, weak)
    return _redirect_with("Your password is changed. Log in with the new one.")


@_link(Purpose.VERIFY_EMAIL)
def verify_email(token: str) -> Response:
    """Ask for confirmation, then confirm the address of a new account."""
    if confirmation := VerificationForm().confirm():
        return confirmation
    service.verify_email(token)
    return _redirect_with("Your address is confirmed. Log in.")


@_link(Purpose.CHANGE_EMAIL)
def change_email(token: str) -> Response:
    """Ask for confirmation, then change the address of the account."""
    if confirmation := ChangeForm().confirm():
        return confirmation
    service.change_email(token)
    if user := browser_session.user():
        browser_session.rename(service.find(user.principal.id).email)
    return _redirect_with("Your account uses this address now.")


def _redirect_with(message: str) -> Response:
    """Redirect to the account, or to the login page, with a message; delete the stored link."""
    # First, because it may clear the session, and the message with it.
    logged_in = browser_session.user()
    session.pop(KEPT, None)
    flash(message, "success")
    return redirect(url_for(ACCOUNT) if logged_in else LOGIN, 303)
