"""`/api/v1/admin`: only for principals with the scope `admin`."""

from flask import Response

from app.admin import service
from app.admin.schemas import EntryPageSchema
from app.core import access
from app.core.api import Blueprint, json_response
from app.core.api.pagination import PageArguments, PageQuery

blueprint = Blueprint("admin", __name__, description="Administer the service; every change is kept")

# Protects every route of this blueprint, even one without `requires`.
blueprint.before_request(lambda: access.require_scope("admin"))


@blueprint.route("/audit", methods=["GET"])
@blueprint.requires("admin")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, EntryPageSchema)
def list_audit_entries(query: PageArguments) -> Response:
    """Return a page of the audit log, newest first."""
    page = service.list_entries(query["limit"], query.get("cursor"))
    return json_response(page.as_dict())
