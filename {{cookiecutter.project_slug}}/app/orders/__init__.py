"""Stand-in."""

from app.core.api import Blueprint

blueprint = Blueprint("orders", __name__)
