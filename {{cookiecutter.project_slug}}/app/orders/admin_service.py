"""Administrators' access to the orders of all users."""

from uuid import UUID

from sqlalchemy.orm import Session

from app.core.api.pagination import Page, Position
from app.core.database import reading
from app.core.errors import NotFound
from app.orders import repository, service
from app.orders.repository import OrderView


def list_orders(
    limit: int, after: Position | None = None, owner_id: UUID | None = None
) -> Page[OrderView]:
    """Return a page of all orders, or of one owner's, newest first."""
    query = repository.page(limit + 1, after)
    if owner_id:
        query = repository.owned(query, owner_id)
    with reading() as connection:
        return Page.of(repository.views(connection, query), limit)


def cancel(session: Session, order_id: UUID) -> OrderView:
    """Cancel an order in the given transaction; the administrator has been authorized already.

    Raises:
        NotFound: when no order has this id.
        OrderAlreadyCancelled: when the order is cancelled already.
        # {% if cookiecutter.webhooks %}
        OrderAlreadyPaid: when the order is paid and needs a refund first.
        # {% endif %}

    """
    order = repository.entity(session, order_id)
    if order is None:
        raise NotFound
    service.cancel_entity(order)
    session.flush()  # increments the order's version
    return service.view(order)
