"""`/api/v1/orders`."""

from typing import NotRequired, TypedDict
from uuid import UUID

from flask import Response, url_for

from app.core import (
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    api,
)
from app.core.idempotency import IdempotencyHeaders
from app.core.pagination import PageQuery, Position
from app.orders import service
from app.orders.schemas import OrderPageSchema, OrderSchema
from app.quotes.schemas import BasketSchema
from app.quotes.service import Basket

blueprint = api.Blueprint("orders", __name__, description="Place orders and follow them")

LOCATION = {"Location": {"description": "Where the order is", "schema": {"type": "string"}}}


class _Page(TypedDict):
    limit: int
    cursor: NotRequired[Position]


class _Headers(TypedDict):
    idempotency_key: NotRequired[str]


@blueprint.route("", methods=["POST"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("orders:write")
# {% endif %}
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.arguments(BasketSchema)
@blueprint.response(201, OrderSchema, headers=LOCATION)
def create_order(headers: _Headers, basket: Basket) -> Response:
    """Price a basket and order it; send an Idempotency-Key to be able to try again."""
    order = service.place(
        basket,
        headers.get("idempotency_key"),
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.caller().id,
        # {% endif %}
    )
    return api.json_response(order, 201, {"Location": url_for(".get_order", order_id=order.id)})


@blueprint.route("", methods=["GET"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("orders:read")
# {% endif %}
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, OrderPageSchema)
def list_orders(query: _Page) -> Response:
    """Return the newest orders, a page at a time."""
    page = service.newest(
        query["limit"],
        query.get("cursor"),
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.caller().id,
        # {% endif %}
    )
    return api.json_response(page.shown())


@blueprint.route("/<uuid:order_id>", methods=["GET"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("orders:read")
# {% endif %}
@blueprint.response(200, OrderSchema)
@blueprint.problems(404)
def get_order(order_id: UUID) -> Response:
    """Return one order."""
    order = service.find(
        order_id,
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.caller().id,
        # {% endif %}
    )
    return api.json_response(order)


@blueprint.route("/<uuid:order_id>/cancel", methods=["POST"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("orders:write")
# {% endif %}
@blueprint.response(200, OrderSchema)
@blueprint.problems(404, 409)
def cancel_order(order_id: UUID) -> Response:
    """Cancel an order that is placed."""
    order = service.cancel(
        order_id,
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.caller().id,
        # {% endif %}
    )
    return api.json_response(order)
