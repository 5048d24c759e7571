"""The login behind each browser's session: ending it ends every copy of the cookie."""

from dataclasses import replace
from datetime import timedelta

from flask import current_app

from app.core.access import Principal, browser_session
from app.sessions import service


def begin(principal: Principal) -> Principal:
    """Store that somebody has logged in, and return them with the login."""
    max_age = timedelta(seconds=browser_session.of(current_app).seconds)
    return replace(principal, session=service.begin(principal.id, max_age))


def end() -> None:
    """End the login of whoever is logged in."""
    principal = browser_session.principal()
    if principal and principal.session:
        service.end(principal.session)
