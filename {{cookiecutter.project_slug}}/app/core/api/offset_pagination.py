"""Offset pagination: numbered pages and a total, for lists of a limited length.

Prefer the cursors of `app/core/api/pagination.py`: here the database reads every row before the page
and counts all rows of the list for each page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar, TypeVarTuple

import marshmallow as ma
from marshmallow import fields, validate
from sqlalchemy import Connection, Row, Select, func, select

from app.core.api.pagination import DEFAULT_LIMIT, MAXIMUM_LIMIT
from app.core.schemas import Integer, IntegerParameter, Schema

MAXIMUM_OFFSET = 10_000
"""The number of rows that the database reads and discards for one request at most."""

Item = TypeVar("Item")
Columns = TypeVarTuple("Columns")


class OffsetQuery(Schema):
    """The query parameters of a list with offsets."""

    limit = IntegerParameter(
        load_default=DEFAULT_LIMIT,
        validate=validate.Range(1, MAXIMUM_LIMIT),
        metadata={"description": "Maximum number of items in the response"},
    )
    offset = IntegerParameter(
        load_default=0,
        validate=validate.Range(0, MAXIMUM_OFFSET),
        metadata={"description": "Number of items before the first one of the response"},
    )


class OffsetArguments(TypedDict):
    """The arguments that `OffsetQuery` loads."""

    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class OffsetPage(Generic[Item]):
    """Some rows of a list, and the number of all."""

    items: Sequence[Item]
    total: int

    def as_dict(self) -> dict[str, object]:
        """Return the page in the form of the response."""
        return {"items": self.items, "total": self.total}


def read_page(
    connection: Connection, rows: Select[*Columns], limit: int, offset: int
) -> OffsetPage[Row[*Columns]]:
    """Read a page of a query and count all of its rows, with two queries.

    Order `rows` by columns that are unique together, such as the time and the id: otherwise a row
    may be on two pages or on none. The two queries see what is committed when each begins.
    """
    found = connection.execute(rows.limit(limit).offset(offset)).all()
    return OffsetPage(found, count(connection, rows))


def count(connection: Connection, rows: Select[*tuple[Any, ...]]) -> int:
    """Return the number of all rows of a query."""
    every = rows.order_by(None).subquery()
    return connection.execute(select(func.count()).select_from(every)).scalar_one()


def offset_page_schema(item: type[Schema]) -> type[ma.Schema]:
    """Return the schema of a page; for `NoteSchema` its name is `NoteOffsetPageSchema`."""
    total = Integer(
        required=True,
        validate=validate.Range(min=0),
        metadata={"description": "Number of items in the whole list"},
    )
    items = fields.List(fields.Nested(item), required=True)
    name = f"{item.__name__.removesuffix('Schema')}OffsetPageSchema"
    return Schema.from_dict({"items": items, "total": total}, name=name)
