"""Retry requests whose transaction failed through no fault of their own.

A deadlock or a serialization failure rolls back the whole transaction, and so does a connection
that is no longer usable (`app/core/database/disconnects.py`). A view that has committed nothing
can then run again from its start. Its effects outside the database happen twice: send emails and
call other services after the commit.
"""

import logging
import random
import time

from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError

from app.core import pipeline, telemetry, url_prefix
from app.core.database import disconnects
from app.core.errors import Unavailable

logger = logging.getLogger(__name__)

COMMITTED = "app.committed"
RETRY_AFTER_SECONDS = "1"
PAUSE_SECONDS = 0.05  # lets the other transaction end; without it both may fail again
CODES = {
    # {% if cookiecutter.database == "postgresql" %}
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    # Not 1205, ER_LOCK_WAIT_TIMEOUT: that wait has used up the time of the request.
    1213,  # ER_LOCK_DEADLOCK
    # {% endif %}
}
"""The drivers' codes of deadlocks and serialization failures."""


class TransactionConflict(Unavailable):
    """A deadlock or a serialization failure: another transaction uses the same rows."""

    code = "transaction_conflict"
    detail = "Another request is changing the same data. Try again shortly."


def committed() -> None:
    """Record that this request has committed a transaction, and must not be retried."""
    if info := pipeline.current_or_none():
        info.environ[COMMITTED] = True


class Flask(url_prefix.Flask):
    """A Flask application that retries a view once when its transaction fails.

    Functions that run before the view (`before_request`) are not repeated.
    """

    def dispatch_request(self) -> ResponseReturnValue:
        """Run the view of this request, and retry it once if its transaction fails.

        Raises:
            TransactionConflict: when its transaction fails twice, or once after a commit.

        """
        try:
            return self._dispatch()
        except (TransactionConflict, disconnects.StaleConnection) as refused:
            again = COMMITTED not in pipeline.current().environ
            event = (
                "transactions collided"
                if isinstance(refused, TransactionConflict)
                else "request repeated"
            )
            logger.warning(event, extra={telemetry.RETRIED: again})
            if not again:
                raise
        time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # nosec B311 # noqa: S311  no secret
        return self._dispatch()

    def _dispatch(self) -> ResponseReturnValue:
        try:
            return super().dispatch_request()
        except DBAPIError as error:
            if not CODES.isdisjoint(disconnects.codes_of(error.orig)):
                raise TransactionConflict(headers={"Retry-After": RETRY_AFTER_SECONDS}) from error
            raise
