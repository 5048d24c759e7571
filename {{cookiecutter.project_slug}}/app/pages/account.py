"""The account page: facts about the account, and its open sessions, which the user can end."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import (  # one line where it fits
    Blueprint,
    # {% if cookiecutter.auth == "jwt" %}
    request,
    # {% endif %}
    url_for,
)
from werkzeug.wrappers import Response

from app.core import (  # one line where it fits
    access,
    # {% if cookiecutter.auth == "jwt" %}
    pseudonyms,
    # {% endif %}
)
from app.core.errors import NotFound
from app.pages import (  # one line where it fits
    # {% if cookiecutter.auth == "jwt" %}
    account_changes,
    # {% endif %}
    account_parts,
    login_required,
    rendering,
)
from app.sessions import open_sessions, service
from app.sessions.open_sessions import SessionView

blueprint = Blueprint("account", __name__)


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session in the list. This browser's own session has no URL to end it: the user logs out."""

    title: str
    created_at: datetime
    expires_at: datetime
    href: str | None


class EndForm(  # one line where it fits
    # {% if cookiecutter.auth == "jwt" %}
    account_changes.ProofForm,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    account_parts.AccountForm,
    # {% endif %}
):
    """The confirmation to end one session."""

    title = "End a session"
    explanation = "This session is logged out at once."
    button = "End the session"
    kind = "danger"
    back = account_parts.ACCOUNT


class EndOthersForm(EndForm):
    """The confirmation to end all other sessions."""

    title = "End all other sessions"
    explanation = "You stay logged in here, and are logged out everywhere else at once."
    button = "End the other sessions"


@blueprint.get("/account")
@login_required.requires()
def index() -> Response:
    """Show the account and its sessions."""
    # {% if cookiecutter.auth == "oidc" %}
    facts = [
        account_parts.Fact("Name", access.browser_session.cookie_name() or ""),
        account_parts.Fact("Password and email address", hint="You change them where you log in."),
    ]
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    facts = account_changes.facts()
    # {% endif %}
    sessions = [_listed(each) for each in open_sessions.list_sessions(access.principal().id)]
    return rendering.page("account/index.html", facts=facts, sessions=sessions)


@blueprint.route("/account/sessions/<uuid:session_id>/end", methods=["GET", "POST"])
@login_required.requires()
def end_session(session_id: UUID) -> Response:
    """Ask for confirmation, then end a session."""
    if session_id not in {each.id for each in open_sessions.list_sessions(access.principal().id)}:
        raise NotFound
    if confirmation := EndForm().confirm():
        return confirmation
    service.end(session_id)
    return account_parts.redirect_with("The session has ended.")


@blueprint.route("/account/sessions/end-others", methods=["GET", "POST"])
@login_required.requires()
def end_other_sessions() -> Response:
    """Ask for confirmation, then end all other sessions."""
    if confirmation := EndOthersForm().confirm():
        return confirmation
    principal = access.principal()
    open_sessions.end_others(principal.id, keep=principal.session)
    return account_parts.redirect_with("All your other sessions have ended.")


def _listed(session: SessionView) -> ListedSession:
    if session.id == access.principal().session:
        return ListedSession("This browser", session.created_at, session.expires_at, None)
    # {% if cookiecutter.auth == "oidc" %}
    title = "Another browser"
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    here = session.network_digest == pseudonyms.of_network(str(request.remote_addr))
    title = "From this network" if here else "From another network"
    # {% endif %}
    href = url_for(".end_session", session_id=session.id)
    return ListedSession(title, session.created_at, session.expires_at, href)
