"""`/api/v1/admin`: for callers with the scope `admin` alone."""

from typing import NotRequired
from uuid import UUID

from flask import Response

from app.admin import service
from app.admin.schemas import EntryPageSchema, OrderQuery
from app.core import access
from app.core.api import Blueprint, json_response
from app.core.api.pagination import PageArguments, PageQuery
from app.orders import admin_service as orders
from app.orders.schemas import OrderPageSchema, OrderSchema

blueprint = Blueprint("admin", __name__, description="Administer the service; every change is kept")

# Before anything else of this blueprint, whatever a route forgets to say.
blueprint.before_request(lambda: access.admit("admin"))


class _OrderPage(PageArguments):
    owner_id: NotRequired[UUID]


@blueprint.route("/orders", methods=["GET"])
@blueprint.requires("admin")
@blueprint.arguments(OrderQuery, location="query")
@blueprint.response(200, OrderPageSchema)
def list_all_orders(query: _OrderPage) -> Response:
    """Return the newest orders of everybody, or of one owner."""
    page = orders.newest(query["limit"], query.get("cursor"), query.get("owner_id"))
    return json_response(page.shown())


@blueprint.route("/orders/<uuid:order_id>/cancel", methods=["POST"])
@blueprint.requires("admin")
@blueprint.response(200, OrderSchema)
@blueprint.problems(404, 409)
def cancel_any_order(order_id: UUID) -> Response:
    """Cancel an order, whoever placed it."""
    return json_response(service.cancel_order(access.principal().id, order_id))


@blueprint.route("/audit", methods=["GET"])
@blueprint.requires("admin")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, EntryPageSchema)
def list_audit_entries(query: PageArguments) -> Response:
    """Return who changed what, newest first."""
    page = service.entries(query["limit"], query.get("cursor"))
    return json_response(page.shown())
