"""`/api/v1/admin`: only for principals with the scope `admin`."""

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

# Protects every route of this blueprint, even one without `requires`.
blueprint.before_request(lambda: access.require_scope("admin"))


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
    return json_response(service.cancel_order(access.principal().id, order_id))


@blueprint.route("/audit", methods=["GET"])
@blueprint.requires("admin")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, EntryPageSchema)
def list_audit_entries(query: PageArguments) -> Response:
    """Return a page of the audit log, newest first."""
    page = service.list_entries(query["limit"], query.get("cursor"))
    return json_response(page.as_dict())
