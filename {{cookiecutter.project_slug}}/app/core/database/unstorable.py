"""Answer values that the database cannot store with a problem document, in all domains.

A schema that states the range and length of a value rejects it first, and names it. This module is
for what schemas do not cover: an integer out of the column's range, a text longer than the column,
a NUL, an unpaired surrogate, a date outside the server's calendar.
"""

import logging

from flask import has_request_context
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from app.core import telemetry
from app.core.errors import Unprocessable

logger = logging.getLogger(__name__)
# {% if cookiecutter.database != "sqlite" %}

CODES: set[object] = {
    # {% if cookiecutter.database == "postgresql" %}
    # Not a DataError: https://www.postgresql.org/docs/current/errcodes-appendix.html
    "54000",  # program_limit_exceeded, such as a text too long for an index
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    # PyMySQL does not raise these as DataError.
    1139,  # ER_REGEXP_ERROR
    1292,  # ER_TRUNCATED_WRONG_VALUE, such as a date outside the calendar
    1411,  # ER_WRONG_VALUE_FOR_TYPE
    1690,  # ER_DATA_OUT_OF_RANGE
    3140,  # ER_INVALID_JSON_TEXT
    3854,  # ER_CANNOT_CONVERT_STRING
    # {% endif %}
}
"""The drivers' codes of such errors that are not DataError."""
# {% endif %}


class UnstorableValue(Unprocessable):
    """A value of the request does not fit in its column."""

    code = "unstorable_value"
    detail = "A value is too large, too long or has characters that cannot be stored."


def observe(engine: Engine) -> None:
    """Turn such errors of this engine into a problem while a request is served.

    In tasks and commands no client sent the value, so the error is raised unchanged.
    """
    event.listen(engine, "handle_error", _refuse)


def _refuse(context: ExceptionContext) -> None:
    error = context.original_exception
    if has_request_context() and _is_about_a_value(error, context):
        # The message is not logged, because drivers quote the value in it.
        code = next((each for each in _codes(error) if each is not None), None)
        names = {
            telemetry.ERROR_TYPE: type(error).__name__,
            telemetry.DB_RESPONSE_STATUS_CODE: code,
        }
        logger.warning("database rejected value", extra=names)
        raise UnstorableValue from None


def _is_about_a_value(error: BaseException, context: ExceptionContext) -> bool:
    # Drivers raise the last two themselves, when they encode a value for the server.
    kinds = (context.dialect.loaded_dbapi.DataError, UnicodeEncodeError, OverflowError)
    # {% if cookiecutter.database != "sqlite" %}
    if not CODES.isdisjoint(_codes(error)):
        return True
    # {% endif %}
    return isinstance(error, kinds)


def _codes(error: BaseException) -> tuple[object, object]:
    """Return the SQLSTATE, and the server's error number (PyMySQL's first argument)."""
    first = next(iter(error.args), None)
    return getattr(error, "sqlstate", None), first if isinstance(first, int) else None
