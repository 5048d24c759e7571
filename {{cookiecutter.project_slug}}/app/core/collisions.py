"""Transactions that the database ends so that another one can go on: the request runs once more.

A deadlock or a serialization failure takes the whole transaction back, so a view that has committed
nothing yet can begin anew as if it had never run. What it did outside the database by then, it
does twice; that is why letters and calls to others come after the commit.
"""

import logging
import random
import time

from flask import Flask
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError

from app.core import pipeline
from app.core.errors import Unavailable

logger = logging.getLogger(__name__)

COMMITTED = "app.committed"
RETRY_AFTER_SECONDS = "1"
PAUSE_SECONDS = 0.05  # for the other transaction to end; at once, both would meet again
CODES = {
    # {% if cookiecutter.database == "postgresql" %}
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    # Not 1205, a lock that was waited for in vain: that wait has taken all the time there is.
    1213,  # ER_LOCK_DEADLOCK
    # {% endif %}
}
"""What the driver calls it."""


class Collision(Unavailable):
    """The database ended the transaction, in favour of another one that wants the same rows."""

    code = "collision"
    detail = "Others are changing the same data at this moment; try again soon."


def committed() -> None:
    """Remember that this request has changed something for good, and cannot begin anew."""
    if exchange := pipeline.current():
        exchange.environ[COMMITTED] = True


def init_app(app: Flask) -> None:
    """Run views once more when they collide; what comes before a view is not repeated."""
    dispatch = app.dispatch_request

    def once() -> ResponseReturnValue:
        try:
            return dispatch()
        except DBAPIError as error:
            if _is_collision(error):
                raise Collision(headers={"Retry-After": RETRY_AFTER_SECONDS}) from error
            raise

    def once_or_twice() -> ResponseReturnValue:
        try:
            return once()
        except Collision:
            again = COMMITTED not in pipeline.of_request().environ
            logger.warning("transactions collided", extra={"tried_again": again})
            if not again:
                raise
        time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # nosec B311 # noqa: S311  no secret
        return once()

    app.dispatch_request = once_or_twice  # type: ignore[method-assign]  # views, and only they


def _is_collision(error: DBAPIError) -> bool:
    # psycopg keeps the code in an attribute, PyMySQL in its first argument.
    found = (getattr(error.orig, "sqlstate", None), *getattr(error.orig, "args", ())[:1])
    return not CODES.isdisjoint(found)
