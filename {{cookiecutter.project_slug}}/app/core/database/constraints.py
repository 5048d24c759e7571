"""Answer violated unique constraints and foreign keys with a 409 problem, in all domains.

Only the database decides about concurrent requests: a query beforehand would miss the other one. A
service that can say more catches the exception and raises a problem of its own. Every other
violation, such as that of a CHECK, is a bug of the service and a 500.
"""

import logging
import sqlite3

from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy import ExceptionContext
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.core import telemetry
from app.core.errors import Conflict

logger = logging.getLogger(__name__)


class AlreadyExists(Conflict):
    """The request would store a value twice that a unique constraint allows once."""

    code = "already_exists"
    detail = "A value that must be unique is already in use."


class BrokenReference(Conflict):
    """The request violates a foreign key.

    PostgreSQL and SQLite have one code for both directions.
    """

    code = "broken_reference"
    detail = (
        "The request refers to something that does not exist, or removes something that is in use."
    )


class UniqueViolation(IntegrityError):  # noqa: N818  as PostgreSQL calls it
    """A unique constraint or a primary key was violated."""


class ForeignKeyViolation(IntegrityError):  # noqa: N818  as PostgreSQL calls it
    """A foreign key was violated: the row it refers to is missing, or is still referred to."""


CODES: dict[type[IntegrityError], set[object]] = {
    UniqueViolation: {
        # {% if cookiecutter.database == "postgresql" %}
        # https://www.postgresql.org/docs/current/errcodes-appendix.html
        "23505",  # unique_violation
        "23P01",  # exclusion_violation
        # {% endif %}
        # {% if cookiecutter.database == "mysql" %}
        # https://mariadb.com/kb/en/mariadb-error-code-reference/; MySQL has the same numbers
        1062,  # ER_DUP_ENTRY
        # {% endif %}
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_CONSTRAINT_ROWID,
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    },
    ForeignKeyViolation: {
        # {% if cookiecutter.database == "postgresql" %}
        "23001",  # restrict_violation
        "23503",  # foreign_key_violation
        # {% endif %}
        # {% if cookiecutter.database == "mysql" %}
        1216,  # ER_NO_REFERENCED_ROW
        1217,  # ER_ROW_IS_REFERENCED
        1451,  # ER_ROW_IS_REFERENCED_2
        1452,  # ER_NO_REFERENCED_ROW_2
        # {% endif %}
        sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY,
    },
    # {% if cookiecutter.database == "mysql" %}
    # PyMySQL raises these as OperationalError, which means that the database is unavailable.
    IntegrityError: {
        3819,  # ER_CHECK_CONSTRAINT_VIOLATED of MySQL
        4025,  # ER_CONSTRAINT_FAILED of MariaDB
    },
    # {% endif %}
}
"""The drivers' codes of each violation."""


def name_violation(context: ExceptionContext) -> IntegrityError | None:
    """Replace a driver's error by the class of its violation (a listener of `handle_error`)."""
    if not isinstance(context.sqlalchemy_exception, DBAPIError):
        return None
    error = context.original_exception
    for kind, codes in CODES.items():
        if not codes.isdisjoint(_codes(error)):
            # Without the parameters, which are values of the request.
            return kind(context.statement, None, error)
    return None


def _codes(error: BaseException) -> set[object]:
    """Return psycopg's SQLSTATE, the extended result code of sqlite3, and PyMySQL's number."""
    names = ("sqlstate", "sqlite_errorcode")
    return {*(getattr(error, name, None) for name in names), *error.args[:1]}


def init_app(app: Flask) -> None:
    """Answer violations with problem documents."""
    app.register_error_handler(UniqueViolation, _already_exists)
    app.register_error_handler(ForeignKeyViolation, _broken_reference)


def _already_exists(error: Exception) -> ResponseReturnValue:
    return _conflict(error, AlreadyExists())


def _broken_reference(error: Exception) -> ResponseReturnValue:
    return _conflict(error, BrokenReference())


def _conflict(error: Exception, problem: Conflict) -> ResponseReturnValue:
    # The message is not logged, because drivers quote the value in it.
    logger.info("constraint violated", extra={telemetry.ERROR_TYPE: type(error).__name__})
    return current_app.handle_user_exception(problem)
