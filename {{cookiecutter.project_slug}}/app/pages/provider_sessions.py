"""The stored session behind a browser's cookie. Ending it invalidates all copies of the cookie."""

from dataclasses import replace
from datetime import timedelta

from app.core.access import Principal, browser_session
from app.core.access.browser_session import session_policy
from app.sessions import service


def begin(principal: Principal) -> Principal:
    """Store a session, and return the principal with its id."""
    max_age = timedelta(seconds=session_policy.current.max_age_seconds)
    return replace(principal, session=service.begin(principal.id, max_age))


def end() -> None:
    """End the stored session of this browser, if any."""
    principal = browser_session.principal()
    if principal and principal.session:
        service.end(principal.session)
