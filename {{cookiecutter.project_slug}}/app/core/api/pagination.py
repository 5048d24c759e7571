"""Keyset pagination: a page starts after the last row of the previous page, without an offset."""

import base64
import binascii
import hmac
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, NotRequired, Protocol, TypedDict, TypeVar, TypeVarTuple
from uuid import UUID

import marshmallow as ma
from flask import current_app, request
from marshmallow import ValidationError, fields, validate
from sqlalchemy import Select, or_
from sqlalchemy.orm import InstrumentedAttribute

from app.core.schemas import IntegerParameter, Schema

DEFAULT_LIMIT = 20
MAXIMUM_LIMIT = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ID_BYTES = 16  # those of a UUID; enough for an integer
_KEY = struct.Struct(f">q{_ID_BYTES}s")
_SIGNATURE_BYTES = 12
# 36 bytes are exactly 48 characters of base64: no padding, and no unused bits.
_CURSOR_BYTES = _KEY.size + _SIGNATURE_BYTES
_CURSOR_PATTERN = "^[A-Za-z0-9_-]{48}$"


class Position(NamedTuple):
    """The end of a page: the key of its last row, in the order of the list."""

    created_at: datetime
    id: UUID | int


class Row(Protocol):
    """A row that can be listed; its key is also its position in the order."""

    @property
    def created_at(self) -> datetime:
        """When the row was created."""

    @property
    def id(self) -> UUID | int:
        """Distinguishes rows that were created at the same time."""


Item = TypeVar("Item", bound=Row)
Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some rows of a list, and the position after which the next ones start."""

    items: Sequence[Item]
    next: Position | None

    @classmethod
    def of(cls, found: Sequence[Item], limit: int) -> "Page[Item]":
        """Build a page from the result of a query for one row more than `limit`.

        The extra row shows that there is a next page, without counting all rows.
        """
        items = found[:limit]
        more = len(found) > limit
        return cls(items, Position(items[-1].created_at, items[-1].id) if more else None)

    def as_dict(self) -> dict[str, object]:
        """Return the page in the form of the response."""
        return {"items": self.items, "next_cursor": self.next and encode_cursor(self.next)}


def page_schema(item: type[Schema]) -> type[ma.Schema]:
    """Return the schema of a page of these items; for `NoteSchema` its name is `NotePageSchema`."""
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Send it as cursor for the next page; null on the last one"},
    )
    items = fields.List(fields.Nested(item), required=True)
    name = f"{item.__name__.removesuffix('Schema')}PageSchema"
    return Schema.from_dict({"items": items, "next_cursor": next_cursor}, name=name)


def select_page(
    rows: Select[*Columns],
    created_at: InstrumentedAttribute[datetime],
    identity: InstrumentedAttribute[UUID] | InstrumentedAttribute[int],
    limit: int,
    after: Position | None = None,
) -> Select[*Columns]:
    """Restrict a query to the newest rows, or to the next ones after a position."""
    page = rows.order_by(created_at.desc(), identity.desc()).limit(limit)
    if after is None:
        return page
    # In this form every database starts at this position of its index; for a comparison of pairs
    # only PostgreSQL does.
    return page.where(
        created_at <= after.created_at,
        or_(created_at < after.created_at, identity < after.id),
    )


def encode_cursor(position: Position) -> str:
    """Return a cursor that continues this request's list after a position."""
    microseconds = (position.created_at - _EPOCH) // _MICROSECOND
    kind = UUID if isinstance(position.id, UUID) else int
    identity = int(position.id).to_bytes(_ID_BYTES, "big", signed=kind is int)
    key = _KEY.pack(microseconds, identity)
    return base64.urlsafe_b64encode(key + _signature(kind, key)).decode()


def decode_cursor(cursor: str) -> Position:
    """Return the position in a cursor of this list.

    Raises:
        ValueError: for a cursor that this list did not issue.

    """
    try:
        decoded = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        decoded = b""
    key, signature = decoded[: _KEY.size], decoded[_KEY.size :]
    kinds = [kind for kind in (UUID, int) if hmac.compare_digest(signature, _signature(kind, key))]
    if len(decoded) != _CURSOR_BYTES or not kinds:
        message = "not a cursor of this list"
        raise ValueError(message)
    microseconds, packed = _KEY.unpack(key)
    is_uuid = kinds == [UUID]
    identity = UUID(bytes=packed) if is_uuid else int.from_bytes(packed, "big", signed=True)
    return Position(_EPOCH + microseconds * _MICROSECOND, identity)


def _signature(kind: type, key: bytes) -> bytes:
    """Sign the key with the list's name: a cursor cannot be forged, or used with another list.

    The kind of id is signed, too, because the key does not tell a UUID from an integer.
    """
    secret = str(current_app.secret_key).encode()
    name = f"cursor {request.endpoint} {kind.__name__} ".encode()
    return hmac.digest(secret, name + key, "sha256")[:_SIGNATURE_BYTES]


class CursorField(fields.String):
    """A cursor: text in the request, a `Position` in Python."""

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> Any:  # noqa: ANN401  a text field that returns a Position
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return decode_cursor(text)
        except ValueError:
            message = "Must be a next_cursor of this list; leave it out to begin at the start."
            raise ValidationError(message) from None


class PageQuery(Schema):
    """The query parameters of a list."""

    limit = IntegerParameter(
        load_default=DEFAULT_LIMIT,
        validate=validate.Range(1, MAXIMUM_LIMIT),
        metadata={"description": "Maximum number of items in the response"},
    )
    cursor = CursorField(
        metadata={
            "description": "The next_cursor of the previous page; leave it out for the first page",
            "pattern": _CURSOR_PATTERN,
        },
    )


class PageArguments(TypedDict):
    """The arguments that `PageQuery` loads."""

    limit: int
    cursor: NotRequired[Position]
