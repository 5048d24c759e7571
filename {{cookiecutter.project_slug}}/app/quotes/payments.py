"""The event of a payment provider that an order was paid."""

from typing import TypedDict
from uuid import UUID

from marshmallow import fields, validate

from app import webhooks
from app.core import schemas

PAYMENT_SUCCEEDED = "payment.succeeded"


class Payment(TypedDict):
    """A payment, as validated by the schema."""

    order_id: UUID
    amount_cents: int
    currency: str


class PaymentSchema(webhooks.EventData):
    """The paid order and the amount."""

    order_id = schemas.UUID(required=True)
    amount_cents = schemas.Integer(required=True, validate=validate.Range(0, schemas.MAX_INTEGER))
    currency = fields.String(
        required=True,
        validate=schemas.FullMatch("[A-Z]{3}", error="Must be a currency code of ISO 4217."),
    )
