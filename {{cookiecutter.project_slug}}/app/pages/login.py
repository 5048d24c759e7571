"""Login with a password, and logout."""

from datetime import timedelta

from flask import Blueprint, flash, redirect, request
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import EmailField, HiddenField, PasswordField
from wtforms.validators import InputRequired, Length

from app.auth import service
from app.auth.service import InvalidCredentials, TooManyAttempts
from app.core.access import browser_session
from app.core.access.browser_session import session_policy
from app.pages import rendering
from app.pages.accounts import add_problem
from app.pages.forms import MISSING
from app.pages.login_required import LOGIN, LOGOUT
from app.users import service as users

blueprint = Blueprint("login", __name__)


class LoginForm(FlaskForm):
    """An email address and a password."""

    email = EmailField(
        "Email address",
        [InputRequired(MISSING), Length(max=254, message="Is too long.")],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password",
        [InputRequired(MISSING), Length(max=1_024, message="Is too long.")],
        render_kw={"autocomplete": "current-password"},
    )
    next = HiddenField()


@blueprint.route(LOGIN, methods=["GET", "POST"])
def login() -> Response:
    """Show the login form; on submission, start a session and redirect to `next`."""
    form = LoginForm(next=request.args.get("next"))
    target = browser_session.safe_redirect_target(form.next.data or "/")
    if browser_session.user():
        return redirect(target, 303)
    if not form.validate_on_submit():
        return _page(form, 422 if form.is_submitted() else 200)
    email = str(form.email.data)
    try:
        login = service.log_in(
            email,
            str(form.password.data),
            request.remote_addr or "",
            max_age=timedelta(seconds=session_policy.current.max_age_seconds),
        )
    except (InvalidCredentials, TooManyAttempts) as problem:
        add_problem(form, problem)
        response = _page(form, problem.status)
        response.headers.update(problem.headers)
        return response
    browser_session.login(login.principal, email)
    return redirect(target, 303)


@blueprint.post(LOGOUT)
def logout() -> Response:
    """End the browser's session and the stored session behind it."""
    principal = browser_session.principal()
    if principal and principal.session:
        service.log_out(principal.session)
    browser_session.logout()
    flash("You are logged out.", "success")
    return redirect(LOGIN, 303)


def _page(form: LoginForm, status: int) -> Response:
    newcomers = users.registration_open.current
    return rendering.page("accounts/login.html", status, form=form, newcomers=newcomers)
