"""Pooled connections that are open and no longer serve: they are replaced, all at once.

SQLAlchemy replaces a connection that is closed. It keeps one whose session no longer fits the
server: a statement that was prepared before a table changed, a session that is read-only since a
failover, a prepared statement that a pooler has lost or that another client made. Each of these
refuses a statement before it runs, so the request can run once more (`app/core/database/transaction_retries.py`).
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
    "26000": "",  # invalid_sql_statement_name: the server does not know what was prepared
    "42P05": "",  # duplicate_prepared_statement
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    # https://mariadb.com/kb/en/mariadb-error-code-reference/, and the same in MySQL
    1047: "",  # ER_UNKNOWN_COM_ERROR: a node of a Galera cluster that is not in its cluster
    1290: "read-only",  # ER_OPTION_PREVENTS_STATEMENT
    1792: "",  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    1836: "",  # ER_READ_ONLY_MODE
    # {% endif %}
}
"""Errors of a session that no longer fits, after which the connection stays open.

The value is a word of the message or the server's function that raised it, where the code alone
says too little: neither is translated by `lc_messages`.
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
"""Errors after which the server closes the connection, as SQLAlchemy may not have seen yet.

What ran may have been committed, so the request does not run once more.
"""


class StaleConnection(OperationalError):  # noqa: N818  names a state of the connection
    """A session that no longer fits its server refused a statement, which therefore did not run."""


def codes_of(error: BaseException | None) -> set[object]:
    """Return the error's codes: its SQLSTATE, and PyMySQL's number, which is the first argument."""
    return {getattr(error, "sqlstate", None), *getattr(error, "args", ())[:1]}


def replace(context: ExceptionContext) -> OperationalError | None:
    """Have connections replaced that no longer serve (a listener of SQLAlchemy's `handle_error`).

    Marking one as disconnected marks every connection of the pool that is older than the error:
    what has happened to one session has happened to all.
    """
    error, raised = context.original_exception, context.sqlalchemy_exception
    codes = codes_of(error)
    if not isinstance(raised, DBAPIError):
        return None  # no error of the database: a worker's time limit, an interrupt
    for code in codes & REFUSALS.keys():
        if REFUSALS[code] in _origin(error):
            context.is_disconnect = True
            words = {
                telemetry.DB_RESPONSE_STATUS_CODE: code,
                telemetry.EXCEPTION_MESSAGE: str(error),
            }
            logger.warning("database connections replaced", extra=words)
            return StaleConnection(context.statement, None, error, connection_invalidated=True)
    if context.is_disconnect or not CLOSINGS.isdisjoint(
        {*codes, *(str(each)[:2] for each in codes)}
    ):
        context.is_disconnect = True
        return OperationalError(context.statement, None, error, connection_invalidated=True)
    return None


def _origin(error: BaseException) -> str:
    """Return the message and, from PostgreSQL, the function of the server that raised it."""
    return f"{error} {getattr(getattr(error, 'diag', None), 'source_function', None)}"
