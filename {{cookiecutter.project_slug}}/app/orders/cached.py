"""Which reads of orders are cached, and what makes them outdated."""

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
    """Name what is shown of one order to whoever may see it."""
    parts = [
        "orders",
        # {% if cookiecutter.auth != "none" %}
        str(owner_id),
        # {% endif %}
        str(order_id),
    ]
    return "/".join(parts)


order = caching.cached(key, caching.form_of(OrderView, PricedLine))
"""Decorates the read of one order, which takes what `key` takes."""


@event.listens_for(Order, "after_delete")
@event.listens_for(Order, "after_update")
def forget(_mapper: Mapper[Order], _connection: Connection, changed: Order) -> None:
    """Forget an order that is changed or gone, by whatever part of the service."""
    caching.forget_after_commit(  # one line where it fits
        cast("Session", object_session(changed)),
        key(  # one line where it fits
            changed.id,
            # {% if cookiecutter.auth != "none" %}
            changed.owner_id,
            # {% endif %}
        ),
    )
