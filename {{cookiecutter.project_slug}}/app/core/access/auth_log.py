"""Log each login attempt: its outcome and, where it is known, the account.

User input is never logged: people type their password into the wrong field.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from app.core import pipeline, telemetry
from app.core.errors import Problem

logger = logging.getLogger(__name__)


@contextmanager
def log_outcome(what: str) -> Iterator[None]:
    """Log the outcome of an attempt, with the ids from `bind`; clients do not receive them."""
    try:
        yield
    except Problem as refused:
        logger.warning("%s failed", what, extra={telemetry.OUTCOME: refused.code})
        raise
    logger.info("%s succeeded", what, extra={telemetry.OUTCOME: "success"})


def bind(user_id: str, **ids: str) -> None:
    """Add the ids of an account to all further log lines of this request."""
    if info := pipeline.current_or_none():
        info.log_fields.update({telemetry.USER_ID: user_id, **ids})
