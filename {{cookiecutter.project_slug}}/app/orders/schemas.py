"""The request and response schemas of orders."""

from marshmallow import fields, validate

from app.core import (  # one line where it fits
    # {% if cookiecutter.background_tasks %}
    mail,
    # {% endif %}
    schemas,
)
from app.orders.models import OrderStatus
from app.quotes.schemas import BasketSchema, QuoteSchema


class OrderRequestSchema(  # one line where it fits
    # {% if cookiecutter.background_tasks %}
    mail.addressed.AddressedSchema,
    # {% endif %}
    BasketSchema,
):
    """An order to place."""


class OrderSchema(QuoteSchema):
    """A placed order."""

    id = fields.UUID(required=True)
    status = fields.String(
        required=True, validate=validate.OneOf([status.value for status in OrderStatus])
    )
    created_at = fields.AwareDateTime(required=True)
    # {% if cookiecutter.webhooks %}
    paid_at = fields.AwareDateTime(required=True, allow_none=True)
    # {% endif %}
    version = fields.Integer(
        required=True, metadata={"description": "Grows with each change; the ETag holds it"}
    )


class OrderPageSchema(schemas.Schema):
    """A page of orders, newest first."""

    items = fields.List(fields.Nested(OrderSchema), required=True)
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Send it as cursor for the next page; null on the last one"},
    )
