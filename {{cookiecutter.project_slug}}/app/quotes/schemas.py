"""The request and response schemas of quotes."""

from marshmallow import fields, validate

from app.core import (  # one line where it fits
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    mail,
    # {% endif %}
    schemas,
)

MAXIMUM_LINES = 100
MAXIMUM_QUANTITY = 10_000
MAXIMUM_UNIT_PRICE = 100_000_000  # in minor units; the largest possible total is far below 2^63


class LineSchema(schemas.Schema):
    """An article and its quantity."""

    sku = fields.String(
        required=True,
        validate=schemas.FullMatch(
            "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
            error="Must be 1 to 64 letters, digits, dots, underscores or hyphens.",
        ),
        metadata={"description": "The article's number", "example": "TEA-100"},
    )
    quantity = schemas.Integer(
        required=True,
        validate=validate.Range(1, MAXIMUM_QUANTITY),
        metadata={"example": 2},
    )
    unit_price_cents = schemas.Integer(
        required=True,
        validate=validate.Range(0, MAXIMUM_UNIT_PRICE),
        metadata={"description": "Price of one, in the currency's minor unit", "example": 450},
    )


class BasketSchema(schemas.Schema):
    """A basket to price: lines in one currency."""

    currency = fields.String(
        required=True,
        validate=schemas.FullMatch("[A-Z]{3}", error="Must be a currency code of ISO 4217."),
        metadata={"description": "Currency code of ISO 4217", "example": "EUR"},
    )
    lines = fields.List(
        fields.Nested(LineSchema),
        required=True,
        validate=validate.Length(1, MAXIMUM_LINES),
    )


class QuoteRequestSchema(  # one line where it fits
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    mail.addressed.AddressedSchema,
    # {% endif %}
    BasketSchema,
):
    """A basket to price."""


class PricedLineSchema(LineSchema):
    """A line with its total."""

    total_cents = fields.Integer(required=True, metadata={"example": 900})


class QuoteSchema(BasketSchema):
    """The priced lines and their total."""

    lines = fields.List(fields.Nested(PricedLineSchema), required=True)
    total_cents = fields.Integer(required=True, metadata={"example": 900})
