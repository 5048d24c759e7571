"""The cached read of an order, and its invalidation."""

from typing import cast
from uuid import UUID

from sqlalchemy import Connection, event
from sqlalchemy.orm import Mapper, Session, object_session

from app.core import caching
from app.orders.models import Order
from app.orders.repository import OrderView
from app.quotes.service import PricedLine


def key(  # one line where it fits
    order_id: UUID,
    # {% if cookiecutter.auth != "none" %}
    owner_id: UUID,
    # {% endif %}
) -> str:
    """Return the cache key of an order."""
    parts = [
        "orders",
        # {% if cookiecutter.auth != "none" %}
        str(owner_id),
        # {% endif %}
        str(order_id),
    ]
    return "/".join(parts)


order = caching.cached(key, caching.schema_digest(OrderView, PricedLine))
"""Decorator for the read of one order, which takes the same parameters as `key`."""


@event.listens_for(Order, "after_delete")
@event.listens_for(Order, "after_update")
def invalidate(_mapper: Mapper[Order], _connection: Connection, changed: Order) -> None:
    """Invalidate a changed or deleted order. Applies to every change through the ORM."""
    caching.invalidate_after_commit(  # one line where it fits
        cast("Session", object_session(changed)),
        key(  # one line where it fits
            changed.id,
            # {% if cookiecutter.auth != "none" %}
            changed.owner_id,
            # {% endif %}
        ),
    )
