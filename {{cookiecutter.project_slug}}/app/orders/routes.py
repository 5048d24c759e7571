"""`/api/v1/orders`."""

from typing import NotRequired, TypedDict
from uuid import UUID

from flask import Response, url_for

from app.core import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    api,
)
from app.core.api import conditional_requests
from app.core.api.conditional_requests import ETAG, ChangeConditions, ReadConditions
from app.core.api.idempotency import IdempotencyHeaders
from app.core.api.pagination import PageArguments, PageQuery
from app.orders import service
from app.orders.schemas import OrderPageSchema, OrderRequestSchema, OrderSchema
from app.quotes.service import Basket

blueprint = api.Blueprint(  # one line where it fits
    "orders",
    __name__,
    # {% if cookiecutter.background_tasks %}
    template_folder="templates",
    # {% endif %}
    description="Place orders and follow them",
)

LOCATION = {
    "Location": {
        "description": "URL of the order",
        "schema": {"type": "string", "format": "uri-reference"},
    }
}


class _Headers(TypedDict):
    idempotency_key: NotRequired[str]


@blueprint.route("", methods=["POST"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("orders:write")
# {% endif %}
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.arguments(OrderRequestSchema)
@blueprint.response(201, OrderSchema, headers={**LOCATION, **ETAG})
def create_order(headers: _Headers, basket: Basket) -> Response:
    """Place an order; send an Idempotency-Key to make retries safe."""
    order = service.place(  # one line where it fits
        basket,
        headers.get("idempotency_key"),
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.principal().id,
        # {% endif %}
    )
    location = {"Location": url_for(".get_order", order_id=order.id)}
    return conditional_requests.versioned(api.json_response(order, 201, location), order.version)


@blueprint.route("", methods=["GET"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("orders:read")
# {% endif %}
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, OrderPageSchema)
def list_orders(query: PageArguments) -> Response:
    """Return a page of orders, newest first."""
    page = service.list_orders(  # one line where it fits
        query["limit"],
        query.get("cursor"),
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.principal().id,
        # {% endif %}
    )
    return api.json_response(page.as_dict())


@blueprint.route("/<uuid:order_id>", methods=["GET"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("orders:read")
# {% endif %}
@blueprint.arguments(ReadConditions, location="headers")
@blueprint.response(200, OrderSchema, headers=ETAG)
@blueprint.alt_response(304, description="You have the current version", headers=ETAG)
@blueprint.problems(404, 412)
def get_order(_headers: object, order_id: UUID) -> Response:
    """Return one order."""
    representation = service.representation(  # one line where it fits
        order_id,
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.principal().id,
        # {% endif %}
    )
    return conditional_requests.respond_conditionally(representation)


@blueprint.route("/<uuid:order_id>/cancel", methods=["POST"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("orders:write")
# {% endif %}
@blueprint.arguments(ChangeConditions, location="headers")
@blueprint.response(200, OrderSchema, headers=ETAG)
@blueprint.problems(404, 409, 412)
def cancel_order(_headers: object, order_id: UUID) -> Response:
    """Cancel an order; send If-Match to cancel only the version you have seen."""
    order = service.cancel(  # one line where it fits
        order_id,
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.principal().id,
        # {% endif %}
        if_match_holds=conditional_requests.if_match_holds,
    )
    return conditional_requests.versioned(api.json_response(order), order.version)
