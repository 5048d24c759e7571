"""Replace pooled connections that are open but no longer usable, all at once.

SQLAlchemy replaces closed connections. It keeps a connection whose session no longer fits the
server: a statement was prepared before a table changed, the session is read-only since a failover,
or a pooler has lost a prepared statement or has one of that name from another client. In each case
the server rejects a statement before it runs, so the request can be retried
(`app/core/database/transaction_retries.py`).
"""

import logging

from sqlalchemy import ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError

from app.core import telemetry

logger = logging.getLogger(__name__)

REFUSALS: dict[object, str] = {
    # {% if cookiecutter.database == "postgresql" %}
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    "0A000": "RevalidateCachedQuery",  # feature_not_supported: a prepared query's columns changed
    "25006": "",  # read_only_sql_transaction
    "26000": "",  # invalid_sql_statement_name: the server does not know the prepared statement
    "42P05": "",  # duplicate_prepared_statement
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    # https://mariadb.com/kb/en/mariadb-error-code-reference/; MySQL has the same numbers
    1047: "",  # ER_UNKNOWN_COM_ERROR: a Galera node that is not part of its cluster
    1290: "read-only",  # ER_OPTION_PREVENTS_STATEMENT
    1792: "",  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    1836: "",  # ER_READ_ONLY_MODE
    # {% endif %}
}
"""Errors of a session that no longer fits the server; the connection stays open.

Where the code alone is ambiguous, the value is a word of the message or the server function that
raised the error. `lc_messages` translates neither.
"""
CLOSINGS: set[object] = {
    "08",  # the whole class of SQLSTATEs: connection exceptions
    # {% if cookiecutter.database == "postgresql" %}
    "25P03",  # idle_in_transaction_session_timeout
    "25P04",  # transaction_timeout
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
    "57P04",  # database_dropped
    "57P05",  # idle_session_timeout
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    1053,  # ER_SERVER_SHUTDOWN
    # {% endif %}
}
"""Errors after which the server closes the connection, which SQLAlchemy may not have noticed.

The transaction may have been committed, so the request is not retried.
"""


class StaleConnection(OperationalError):  # noqa: N818  names a state of the connection
    """The session no longer fits the server, which rejected a statement without running it."""


def codes_of(error: BaseException | None) -> set[object]:
    """Return the error's codes: its SQLSTATE, and PyMySQL's number (its first argument)."""
    return {getattr(error, "sqlstate", None), *getattr(error, "args", ())[:1]}


def replace(context: ExceptionContext) -> OperationalError | None:
    """Invalidate connections that are no longer usable (a listener of SQLAlchemy's `handle_error`).

    Marking one connection as disconnected invalidates every pooled connection that is older than
    the error: the cause affects all sessions.
    """
    error, raised = context.original_exception, context.sqlalchemy_exception
    codes = codes_of(error)
    if not isinstance(raised, DBAPIError):
        return None  # not a database error: a worker's timeout, an interrupt
    for code in codes & REFUSALS.keys():
        if REFUSALS[code] in _origin(error):
            context.is_disconnect = True
            fields = {
                telemetry.DB_RESPONSE_STATUS_CODE: code,
                telemetry.EXCEPTION_MESSAGE: str(error),
            }
            logger.warning("database connections replaced", extra=fields)
            return StaleConnection(context.statement, None, error, connection_invalidated=True)
    if context.is_disconnect or not CLOSINGS.isdisjoint(
        {*codes, *(str(each)[:2] for each in codes)}
    ):
        context.is_disconnect = True
        return OperationalError(context.statement, None, error, connection_invalidated=True)
    return None


def _origin(error: BaseException) -> str:
    """Return the message and, for PostgreSQL, the server function that raised the error."""
    return f"{error} {getattr(getattr(error, 'diag', None), 'source_function', None)}"
