"""Transactions that the database refuses or ends for no fault of theirs: the request runs once more.

A deadlock or a serialization failure takes the whole transaction back, and so does a connection
that no longer serves (`app/core/database/disconnects.py`). A view that has committed nothing yet can then
begin anew as if it had never run. What it did outside the database by then, it does twice; that
is why emails and calls to others come after the commit.
"""

import logging
import random
import time

from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError

from app.core import pipeline, url_prefix
from app.core.database import disconnects
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
    if info := pipeline.current_or_none():
        info.environ[COMMITTED] = True


class Flask(url_prefix.Flask):
    """A Flask application whose views run once more when they collide.

    What comes before a view, such as its guards, is not repeated.
    """

    def dispatch_request(self) -> ResponseReturnValue:
        """Run the view of this request, and answer what it returns.

        Raises:
            Collision: when the database has ended its transaction twice, or once after a commit.

        """
        try:
            return self._dispatch()
        except (Collision, disconnects.StaleConnection) as refused:
            again = COMMITTED not in pipeline.current().environ
            event = (
                "transactions collided" if isinstance(refused, Collision) else "request repeated"
            )
            logger.warning(event, extra={"retried": again})
            if not again:
                raise
        time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # nosec B311 # noqa: S311  no secret
        return self._dispatch()

    def _dispatch(self) -> ResponseReturnValue:
        try:
            return super().dispatch_request()
        except DBAPIError as error:
            if not CODES.isdisjoint(disconnects.codes_of(error.orig)):
                raise Collision(headers={"Retry-After": RETRY_AFTER_SECONDS}) from error
            raise
