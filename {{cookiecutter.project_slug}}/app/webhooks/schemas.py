"""What events look like, by their type. Senders add fields as they grow, so others are let pass."""

import marshmallow as ma
from marshmallow import fields, validate


class _Growing(ma.Schema):
    class Meta:
        """Take what is known and leave the rest."""

        unknown = ma.EXCLUDE


class _Envelope(_Growing):
    type = fields.String(required=True, validate=validate.Length(1, 128))
    timestamp = fields.AwareDateTime(required=True)


class EventSchema(_Envelope):
    """Any event (Standard Webhooks, payload structure)."""

    data = fields.Dict(required=True)


class PaymentSchema(_Growing):
    """Which order was paid, and how much."""

    order_id = fields.UUID(required=True)
    amount_cents = fields.Integer(required=True, strict=True, validate=validate.Range(0))
    currency = fields.String(required=True, validate=validate.Length(equal=3))


class PaymentSucceededSchema(_Envelope):
    """`payment.succeeded`."""

    data = fields.Nested(PaymentSchema, required=True)


EVENTS: dict[str, ma.Schema] = {"payment.succeeded": PaymentSucceededSchema()}
