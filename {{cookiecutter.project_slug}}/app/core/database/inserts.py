"""Insert a row unless it is there, in one statement: concurrent requests make no error of it."""

from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Table, inspect
from sqlalchemy.orm import Session

from app.core.database.constraints import UniqueViolation
from app.core.database.dialects import BACKENDS
from app.core.database.types import Base


def insert_if_absent(session: Session, row: Base) -> bool:
    """Insert a row unless one with the same unique key exists; return whether it was inserted.

    The key is that of the primary key or any unique constraint. `row` is a new entity. It does not
    enter the session, and its relationships are not stored.

    Raises:
        IntegrityError: when the row violates another constraint.

    """
    mapper = inspect(type(row))
    names = mapper.column_attrs.keys()
    values: dict[ColumnElement[Any], Any] = {
        mapper.columns[name]: value for name, value in inspect(row).dict.items() if name in names
    }
    if mapper.version_id_col is not None:
        values[mapper.version_id_col] = 1  # where SQLAlchemy begins
    make = BACKENDS[session.get_bind().dialect.name].insert_if_absent
    statement = make(cast("Table", mapper.local_table)).values(values).inline()
    try:
        result = session.execute(statement, execution_options={"preserve_rowcount": True})
    except UniqueViolation:
        return False
    return cast("CursorResult[Any]", result).rowcount == 1
