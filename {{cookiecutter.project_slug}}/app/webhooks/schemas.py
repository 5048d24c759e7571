"""The schemas of events, by type. Unknown fields are ignored, because senders add fields."""

import marshmallow as ma
from marshmallow import fields, validate

from app.core.schemas import MAX_INTEGER, UUID, FullMatch, Integer, Timestamp


class _Growing(ma.Schema):
    class Meta:
        """Ignore unknown fields."""

        unknown = ma.EXCLUDE


class _Envelope(_Growing):
    type = fields.String(required=True, validate=validate.Length(1, 128))
    timestamp = Timestamp(required=True)


class PaymentSchema(_Growing):
    """The paid order and the amount."""

    order_id = UUID(required=True)
    amount_cents = Integer(required=True, validate=validate.Range(0, MAX_INTEGER))
    currency = fields.String(
        required=True, validate=FullMatch("[A-Z]{3}", error="Must be a currency code of ISO 4217.")
    )


class PaymentSucceededSchema(_Envelope):
    """`payment.succeeded`."""

    type = fields.String(required=True, validate=validate.Equal("payment.succeeded"))
    data = fields.Nested(PaymentSchema, required=True)


EVENTS: dict[str, ma.Schema] = {"payment.succeeded": PaymentSucceededSchema()}


class EventSchema(_Envelope):
    """Any other event (Standard Webhooks, payload structure)."""

    type = fields.String(
        required=True,
        validate=validate.Length(1, 128),
        metadata={
            "description": "Unknown types are accepted and logged",
            "not": {"enum": [*EVENTS]},
        },
    )
    data = fields.Dict(required=True)
