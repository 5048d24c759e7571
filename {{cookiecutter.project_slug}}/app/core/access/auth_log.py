"""Tries to log in, each a line of the log: how it ended and, where that is known, whose account it was.

What was typed is never in it: people type their password into the wrong field.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from app.core import pipeline, telemetry
from app.core.errors import Problem

logger = logging.getLogger(__name__)


@contextmanager
def log_outcome(what: str) -> Iterator[None]:
    """Log how a try ends, with what `bind` says of it; the client is told nothing more."""
    try:
        yield
    except Problem as refused:
        logger.warning("%s failed", what, extra={"outcome": refused.code})
        raise
    logger.info("%s succeeded", what, extra={"outcome": "success"})


def bind(user_id: str, **ids: str) -> None:
    """Say whose account this request is about; each line from here on has it, its last one too."""
    if info := pipeline.current_or_none():
        info.log_fields.update({telemetry.USER_ID: user_id, **ids})
