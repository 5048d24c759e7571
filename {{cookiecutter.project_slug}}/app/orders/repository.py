"""The queries for orders: ORM entities for changes, plain rows for reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from sqlalchemy import Connection, Row, Select, bindparam, select
from sqlalchemy.orm import Session, selectinload

from app.core.api import pagination
from app.core.api.pagination import Position
from app.orders.models import Order, OrderLine, OrderStatus
from app.quotes.service import PricedLine


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order as shown to clients."""

    id: UUID
    status: OrderStatus
    currency: str
    total_cents: int
    created_at: datetime
    # {% if cookiecutter.webhooks %}
    paid_at: datetime | None
    # {% endif %}
    version: int
    lines: Sequence[PricedLine]


Orders = Select[  # one line where it fits
    UUID,
    OrderStatus,
    str,
    int,
    datetime,
    # {% if cookiecutter.webhooks %}
    datetime | None,
    # {% endif %}
    int,
]

ORDERS: Orders = select(  # one line where it fits
    Order.id,
    Order.status,
    Order.currency,
    Order.total_cents,
    Order.created_at,
    # {% if cookiecutter.webhooks %}
    Order.paid_at,
    # {% endif %}
    Order.version,
)
LINES = (
    select(
        OrderLine.order_id,
        OrderLine.sku,
        OrderLine.quantity,
        OrderLine.unit_price_cents,
        OrderLine.total_cents,
    )
    .where(OrderLine.order_id.in_(bindparam("order_ids", expanding=True)))
    .order_by(OrderLine.order_id, OrderLine.position)
)


def page(limit: int, after: Position | None = None) -> Orders:
    """Return the query for the newest orders, or for those after a position."""
    return pagination.select_page(ORDERS, Order.created_at, Order.id, limit, after)


def views(connection: Connection, orders: Orders) -> list[OrderView]:
    """Execute a query for orders, and one query for the lines of all of them."""
    found = connection.execute(orders).all()
    lines = _lines(connection, [row.id for row in found])
    return [OrderView(*row, lines=lines[row.id]) for row in found]


def by_id(order_id: UUID) -> Orders:
    """Return the query for one order."""
    return ORDERS.where(Order.id == order_id)


# {% if cookiecutter.auth != "none" %}
def owned(orders: Orders, owner_id: UUID) -> Orders:
    """Restrict a query to the orders of one owner."""
    return orders.where(Order.owner_id == owner_id)


# {% endif %}
def find_by_idempotency_key(
    connection: Connection, idempotency_key: str
) -> Row[UUID, str | None] | None:
    """Return the id and the idempotency fingerprint of the order placed with this key."""
    return connection.execute(
        select(Order.id, Order.fingerprint).where(Order.idempotency_key == idempotency_key)
    ).one_or_none()


def entity(session: Session, order_id: UUID) -> Order | None:
    """Return an order with its lines, as an ORM entity to change."""
    return session.get(Order, order_id, options=[selectinload(Order.lines)])


def _lines(connection: Connection, order_ids: Sequence[UUID]) -> dict[UUID, list[PricedLine]]:
    if not order_ids:
        return {}
    rows = connection.execute(LINES, {"order_ids": order_ids}).all()
    return {
        order_id: [PricedLine(*line[1:]) for line in lines]
        for order_id, lines in groupby(rows, itemgetter(0))
    }
