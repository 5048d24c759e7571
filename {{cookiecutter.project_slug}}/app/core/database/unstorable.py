"""Values that a database cannot hold: the client is told so, whatever the domain.

A schema that names the range and the length of a value refuses it first and says which one it is.
This is for what a schema leaves open: an integer beyond the column, a text longer than it, a NUL, a
surrogate without its other half, a date beyond the server's calendar.
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
    # Not among DataError: https://www.postgresql.org/docs/current/errcodes-appendix.html
    "54000",  # program_limit_exceeded, such as a text too long for an index
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    # Those that PyMySQL does not call DataError
    1139,  # ER_REGEXP_ERROR
    1292,  # ER_TRUNCATED_WRONG_VALUE, such as a date beyond the calendar
    1411,  # ER_WRONG_VALUE_FOR_TYPE
    1690,  # ER_DATA_OUT_OF_RANGE
    3140,  # ER_INVALID_JSON_TEXT
    3854,  # ER_CANNOT_CONVERT_STRING
    # {% endif %}
}
"""What drivers call it besides DataError."""
# {% endif %}


class UnstorableValue(Unprocessable):
    """A value of the request is beyond what its column holds."""

    code = "unstorable_value"
    detail = "A value is too large, too long or has characters that cannot be stored."


def observe(engine: Engine) -> None:
    """Turn such errors of this engine into a problem while a request is served.

    Elsewhere (tasks, commands) nobody sent the value, and the error stays what it is.
    """
    event.listen(engine, "handle_error", _refuse)


def _refuse(context: ExceptionContext) -> None:
    error = context.original_exception
    if has_request_context() and _is_about_a_value(error, context):
        # Nothing of the message: drivers quote the value.
        code = next((each for each in _codes(error) if each is not None), None)
        names = {
            telemetry.ERROR_TYPE: type(error).__name__,
            telemetry.DB_RESPONSE_STATUS_CODE: code,
        }
        logger.warning("database rejected value", extra=names)
        raise UnstorableValue from None


def _is_about_a_value(error: BaseException, context: ExceptionContext) -> bool:
    # Drivers raise these two by themselves, when they write a value for the server.
    kinds = (context.dialect.loaded_dbapi.DataError, UnicodeEncodeError, OverflowError)
    # {% if cookiecutter.database != "sqlite" %}
    if not CODES.isdisjoint(_codes(error)):
        return True
    # {% endif %}
    return isinstance(error, kinds)


def _codes(error: BaseException) -> tuple[object, object]:
    """Return the SQLSTATE and the server's number, which PyMySQL alone gives: its first argument."""
    first = next(iter(error.args), None)
    return getattr(error, "sqlstate", None), first if isinstance(first, int) else None
