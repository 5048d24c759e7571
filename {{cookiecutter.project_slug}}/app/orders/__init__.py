"""Takes orders and keeps them."""

from app.orders.routes import blueprint

__all__ = ["blueprint"]
