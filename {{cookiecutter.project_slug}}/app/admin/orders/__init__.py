"""Administration of orders."""

from app.admin.orders import routes

__all__ = ["routes"]
