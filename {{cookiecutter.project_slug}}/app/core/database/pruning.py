"""Deletes rows that are needed no more, however many there are.

One statement for all would be ended by the limit of a statement once there are too many, and then each
time: 500,000 rows took MariaDB more than the 10 s.
"""

from typing import Any

from sqlalchemy import ColumnElement, delete, inspect, select
from sqlalchemy.orm import DeclarativeBase

from app.core.database.engine import writing

MAX_AT_ONCE = 1_000


def delete_all(table: type[DeclarativeBase], *conditions: ColumnElement[bool]) -> int:
    """Delete the rows that meet all conditions, some in each transaction; return how many."""
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
