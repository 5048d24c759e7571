"""The request and response schemas of orders."""

from marshmallow import fields, validate

from app.core import (  # one line where it fits
    api,
    # {% if cookiecutter.background_tasks %}
    mail,
    # {% endif %}
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
        required=True, metadata={"description": "Increases with each change; part of the ETag"}
    )


OrderPageSchema = api.pagination.page_schema(OrderSchema)
