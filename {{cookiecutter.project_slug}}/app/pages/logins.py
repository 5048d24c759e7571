"""The login behind each browser's session: ending it ends every copy of the cookie."""

from dataclasses import replace
from datetime import timedelta

from flask import current_app

from app.core.access import Caller, browser_session
from app.sessions import service


def begin(caller: Caller) -> Caller:
    """Store that somebody has signed in, and return them with the login."""
    max_age = timedelta(seconds=browser_session.of(current_app).seconds)
    return replace(caller, session=service.begin(caller.id, max_age))


def end() -> None:
    """End the login of whoever is signed in."""
    caller = browser_session.caller()
    if caller and caller.session:
        service.end(caller.session)
