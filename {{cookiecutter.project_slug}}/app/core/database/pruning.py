"""Delete any number of rows in batches.

A single DELETE of too many rows would exceed the statement timeout, and then fail every time:
500,000 rows took MariaDB more than the default of 10 s.
"""

from typing import Any

from sqlalchemy import ColumnElement, delete, inspect, select
from sqlalchemy.orm import DeclarativeBase

from app.core.database.engine import writing

MAX_AT_ONCE = 1_000


def delete_all(table: type[DeclarativeBase], *conditions: ColumnElement[bool]) -> int:
    """Delete the rows that meet all conditions, a batch per transaction; return their number."""
    (key,) = inspect(table).primary_key
    number = 0
    while True:
        with writing() as transaction:
            found: list[Any] = list(
                transaction.scalars(select(key).where(*conditions).limit(MAX_AT_ONCE))
            )
            transaction.execute(delete(table).where(key.in_(found)))
        number += len(found)
        if len(found) < MAX_AT_ONCE:
            return number
