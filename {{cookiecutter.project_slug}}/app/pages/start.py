"""The start page."""

from flask import Blueprint, Response, current_app, url_for

from app.pages import rendering

API_DOCS = "api_document.page"

blueprint = Blueprint("start", __name__)


@blueprint.get("/")
def index() -> Response:
    """Show what the service is, with a link to the documentation of its API if it is served."""
    docs = url_for(API_DOCS) if API_DOCS in current_app.view_functions else None
    return rendering.page("start.html", docs=docs)
