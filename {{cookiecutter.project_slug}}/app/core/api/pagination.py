"""Keyset pagination: a page begins after the last row of the one before, however deep it is."""

import base64
import binascii
import hmac
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, NotRequired, Protocol, TypedDict, TypeVar, TypeVarTuple
from uuid import UUID

from flask import current_app, request
from marshmallow import ValidationError, fields, validate
from sqlalchemy import Select, or_
from sqlalchemy.orm import InstrumentedAttribute

from app.core.schemas import IntegerParameter, Schema

DEFAULT_LIMIT = 20
MAXIMUM_LIMIT = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KEY = struct.Struct(">q16s")
_SEAL_BYTES = 12
# 36 bytes are 48 characters without padding, and each character counts.
_CURSOR_BYTES = _KEY.size + _SEAL_BYTES
_CURSOR_PATTERN = "^[A-Za-z0-9_-]{48}$"


class Position(NamedTuple):
    """Where a page ends: the key of its last row, in the order of the list."""

    created_at: datetime
    id: UUID


class Row(Protocol):
    """What can be listed: it has a key, which is also its place in the order."""

    @property
    def created_at(self) -> datetime:
        """When it came to be."""

    @property
    def id(self) -> UUID:
        """What tells it from others of that moment."""


Item = TypeVar("Item", bound=Row)
Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some rows of a list, and where the next ones begin."""

    items: Sequence[Item]
    next: Position | None

    @classmethod
    def of(cls, found: Sequence[Item], limit: int) -> "Page[Item]":
        """Make a page of what was found when one row more than wanted was asked for.

        That row tells whether there is a next page, without counting them all.
        """
        items = found[:limit]
        more = len(found) > limit
        return cls(items, Position(items[-1].created_at, items[-1].id) if more else None)

    def shown(self) -> dict[str, object]:
        """Return the page as it is answered."""
        return {"items": self.items, "next_cursor": self.next and encode_cursor(self.next)}


def newest(
    rows: Select[*Columns],
    created_at: InstrumentedAttribute[datetime],
    identity: InstrumentedAttribute[UUID],
    limit: int,
    after: Position | None = None,
) -> Select[*Columns]:
    """Narrow a query down to the newest rows, or to the next ones after a position."""
    page = rows.order_by(created_at.desc(), identity.desc()).limit(limit)
    if after is None:
        return page
    # Said so that every database enters its index at this moment, which none but PostgreSQL
    # does for a comparison of pairs.
    return page.where(
        created_at <= after.created_at,
        or_(created_at < after.created_at, identity < after.id),
    )


def encode_cursor(position: Position) -> str:
    """Return the cursor that continues the list of this request after a position."""
    microseconds = (position.created_at - _EPOCH) // _MICROSECOND
    key = _KEY.pack(microseconds, position.id.bytes)
    return base64.urlsafe_b64encode(key + _signature(key)).decode()


def decode_cursor(cursor: str) -> Position:
    """Return the position that a cursor of this list holds.

    Raises:
        ValueError: for anything that this list did not hand out.

    """
    try:
        sealed = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        sealed = b""
    key, signature = sealed[: _KEY.size], sealed[_KEY.size :]
    if len(sealed) != _CURSOR_BYTES or not hmac.compare_digest(signature, _signature(key)):
        message = "not a cursor of this list"
        raise ValueError(message)
    microseconds, identity = _KEY.unpack(key)
    return Position(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=identity))


def _signature(key: bytes) -> bytes:
    """Sign with the list's name: a cursor then fits no other list, and nobody makes one up."""
    secret = str(current_app.secret_key).encode()
    return hmac.digest(secret, f"cursor {request.endpoint} ".encode() + key, "sha256")[:_SEAL_BYTES]


class CursorField(fields.String):
    """A cursor, as text outside and as a `Position` inside."""

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> Any:  # noqa: ANN401  a field of text that holds more than text
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return decode_cursor(text)
        except ValueError:
            message = "Must be a next_cursor of this list; leave it out to begin at the start."
            raise ValidationError(message) from None


class PageQuery(Schema):
    """Which part of a list is wanted."""

    limit = IntegerParameter(
        load_default=DEFAULT_LIMIT,
        validate=validate.Range(1, MAXIMUM_LIMIT),
        metadata={"description": "The most items that the answer may hold"},
    )
    cursor = CursorField(
        metadata={
            "description": "The next_cursor of the page before; leave it out for the first",
            "pattern": _CURSOR_PATTERN,
        },
    )


class PageArguments(TypedDict):
    """What `PageQuery` loads."""

    limit: int
    cursor: NotRequired[Position]
