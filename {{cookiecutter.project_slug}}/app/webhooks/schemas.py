"""The schemas of events. Unknown fields are ignored, because senders add fields."""

from collections.abc import Collection

import marshmallow as ma
from marshmallow import fields, validate

from app.core.schemas import Timestamp

NAME_LENGTH = 128


class EventData(ma.Schema):
    """The base of the schemas for the data of events."""

    class Meta:
        """Ignore unknown fields."""

        unknown = ma.EXCLUDE


class EventSchema(EventData):
    """Any event (Standard Webhooks, payload structure)."""

    type = fields.String(required=True, validate=validate.Length(1, NAME_LENGTH))
    timestamp = Timestamp(required=True)
    data = fields.Dict(required=True)


def event_schema(name: str, data: type[ma.Schema]) -> type[ma.Schema]:
    """Return the schema of a whole event of this type, with the schema of its data."""
    words = name.replace(".", "_").split("_")
    return EventSchema.from_dict(
        {
            "type": fields.String(required=True, validate=validate.Equal(name)),
            "data": fields.Nested(data, required=True),
        },
        name=f"{''.join(map(str.capitalize, words))}Schema",
    )


def other_event_schema(known: Collection[str]) -> type[ma.Schema]:
    """Return the schema of an event of a type that is not among the known ones."""
    described: dict[str, object] = {"description": "Unknown types are accepted and logged"}
    if known:
        described["not"] = {"enum": [*known]}
    name = fields.String(
        required=True, validate=validate.Length(1, NAME_LENGTH), metadata=described
    )
    return EventSchema.from_dict({"type": name}, name="EventSchema")
