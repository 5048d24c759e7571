"""What administrators may do with anybody's orders."""

from uuid import UUID

from sqlalchemy.orm import Session

from app.core.api.pagination import Page, Position
from app.core.database import reading
from app.core.errors import NotFound
from app.orders import repository, service
from app.orders.repository import OrderView


def newest(
    limit: int, after: Position | None = None, owner_id: UUID | None = None
) -> Page[OrderView]:
    """Return a page of everybody's orders, or of one owner's, newest first."""
    query = repository.newest(limit + 1, after)
    if owner_id:
        query = repository.owned(query, owner_id)
    with reading() as connection:
        return Page.of(repository.views(connection, query), limit)


def cancel(session: Session, order_id: UUID) -> OrderView:
    """Cancel an order, in the transaction of whoever may.

    Raises:
        NotFound: when there is none with this id.
        OrderAlreadyCancelled: when that has been done.
        # {% if cookiecutter.webhooks %}
        OrderAlreadyPaid: when there is money to give back first.
        # {% endif %}

    """
    order = repository.entity(session, order_id)
    if order is None:
        raise NotFound
    service.cancel_entity(order)
    session.flush()  # the version of the order counts up
    return service.view(order)
