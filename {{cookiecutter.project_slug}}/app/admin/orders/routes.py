"""`/api/v1/admin/orders`, on the blueprint that only administrators may use."""

from typing import NotRequired
from uuid import UUID

from flask import Response

from app.admin.orders import service
from app.admin.orders.schemas import OrderQuery
from app.admin.routes import blueprint
from app.core import access
from app.core.api import json_response
from app.core.api.pagination import PageArguments
from app.orders import admin_service as orders
from app.orders.schemas import OrderPageSchema, OrderSchema


class _OrderPage(PageArguments):
    owner_id: NotRequired[UUID]


@blueprint.route("/orders", methods=["GET"])
@blueprint.requires("admin")
@blueprint.arguments(OrderQuery, location="query")
@blueprint.response(200, OrderPageSchema)
def list_all_orders(query: _OrderPage) -> Response:
    """Return a page of all orders, or of one owner's, newest first."""
    page = orders.list_orders(query["limit"], query.get("cursor"), query.get("owner_id"))
    return json_response(page.as_dict())


@blueprint.route("/orders/<uuid:order_id>/cancel", methods=["POST"])
@blueprint.requires("admin")
@blueprint.response(200, OrderSchema)
@blueprint.problems(404, 409)
def cancel_any_order(order_id: UUID) -> Response:
    """Cancel the order of any user."""
    return json_response(service.cancel(access.principal().id, order_id))
