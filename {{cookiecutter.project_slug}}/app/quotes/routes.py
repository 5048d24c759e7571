"""`POST /api/v1/quotes`."""

from flask import Response

from app.core.api import Blueprint, json_response
from app.quotes import (  # one line where it fits
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    emails,
    # {% endif %}
    service,
)
from app.quotes.schemas import QuoteRequestSchema, QuoteSchema
from app.quotes.service import Basket

blueprint = Blueprint(  # one line where it fits
    "quotes",
    __name__,
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    template_folder="templates",
    # {% endif %}
    description="Price lines without ordering them",
)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(QuoteRequestSchema)
@blueprint.response(200, QuoteSchema)
def create_quote(basket: Basket) -> Response:
    """Price the lines of a basket; nothing is stored."""
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    if email := basket.get("email"):
        emails.enqueue(email, basket)
    # {% endif %}
    return json_response(service.price(basket))
