"""Keyset pagination: a page begins after the last row of the one before, however deep it is."""

import base64
import binascii
import hmac
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from flask import current_app, request
from marshmallow import ValidationError, fields, validate

from app.core.schemas import Schema

DEFAULT_LIMIT = 20
MAXIMUM_LIMIT = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KEY = struct.Struct(">q16s")
_SEAL_BYTES = 12
# 36 bytes are 48 characters without padding, and each character counts.
_CURSOR_BYTES = _KEY.size + _SEAL_BYTES


class Position(NamedTuple):
    """Where a page ends: the key of its last row, in the order of the list."""

    created_at: datetime
    id: UUID


def seal(position: Position) -> str:
    """Return the cursor that continues the list of this request after a position."""
    microseconds = (position.created_at - _EPOCH) // _MICROSECOND
    key = _KEY.pack(microseconds, position.id.bytes)
    return base64.urlsafe_b64encode(key + _signature(key)).decode()


def unseal(cursor: str) -> Position:
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
            return unseal(text)
        except ValueError:
            message = "Must be a next_cursor of this list; leave it out to begin at the start."
            raise ValidationError(message) from None


class PageQuery(Schema):
    """Which part of a list is wanted."""

    limit = fields.Integer(
        load_default=DEFAULT_LIMIT,
        validate=validate.Range(1, MAXIMUM_LIMIT),
        metadata={"description": "The most items that the answer may hold"},
    )
    cursor = CursorField(
        metadata={"description": "The next_cursor of the page before; leave it out for the first"},
    )
