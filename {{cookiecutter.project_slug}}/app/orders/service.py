"""The business rules of orders, and their transactions."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID, uuid4

import orjson
from sqlalchemy.exc import IntegrityError

from app.core.api.conditional_requests import PreconditionFailed, Representation
from app.core.api.idempotency import Claim, IdempotencyKeyReused
from app.core.api.pagination import Page, Position
from app.core.database import reading, writing
from app.core.errors import Conflict, NotFound
from app.orders import (  # one line where it fits
    # {% if cookiecutter.caching %}
    cached,
    # {% endif %}
    # {% if cookiecutter.metrics %}
    events,
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    receipts,
    # {% endif %}
    repository,
)
from app.orders.models import Order, OrderLine, OrderStatus
from app.orders.repository import OrderView
from app.quotes import service as quotes
from app.quotes.service import Basket, PricedLine, Quote


class OrderAlreadyCancelled(Conflict):
    """The order is cancelled already."""

    code = "order_already_cancelled"
    detail = "The order is cancelled already."


# {% if cookiecutter.webhooks %}
class OrderAlreadyPaid(Conflict):
    """The order is paid, so it cannot be cancelled."""

    code = "order_already_paid"
    detail = "The order is paid and cannot be cancelled."


# {% endif %}
def place(  # one line where it fits
    basket: Basket,
    idempotency_key: str | None = None,
    # {% if cookiecutter.auth != "none" %}
    *,
    owner_id: UUID,
    # {% endif %}
) -> OrderView:
    """Price a basket and store it as an order. The same key and basket return the same order.

    Raises:
        IdempotencyKeyReused: when the key was sent with another basket before.

    """
    claim = Claim.of(idempotency_key, basket) if idempotency_key else None
    # {% if cookiecutter.auth != "none" %}
    claim = claim and claim.owned_by(owner_id)
    # {% endif %}
    order = _priced(  # one line where it fits
        quotes.price(basket),
        claim,
        # {% if cookiecutter.auth != "none" %}
        owner_id,
        # {% endif %}
    )
    try:
        with writing() as session:
            session.add(order)
            # {% if cookiecutter.background_tasks %}
            if email := basket.get("email"):
                session.flush()  # a receipt has a foreign key to its order
                receipts.enqueue(session, order.id, email)
            # {% endif %}
    except IntegrityError:
        # The unique constraint decides: a query beforehand would miss a concurrent request.
        placed = claim and _placed_before(claim)
        if not placed:
            raise
        return placed
    # {% if cookiecutter.metrics %}
    events.send_placed()
    # {% endif %}
    return view(order)


def find(  # one line where it fits
    order_id: UUID,
    # {% if cookiecutter.auth != "none" %}
    owner_id: UUID,
    # {% endif %}
) -> OrderView:
    """Return one order.

    Raises:
        NotFound: when no order has this id.
        # {% if cookiecutter.auth != "none" %}
            Also for another user's order, so that clients cannot learn which ids exist.
        # {% endif %}

    """
    query = repository.by_id(order_id)
    # {% if cookiecutter.auth != "none" %}
    query = repository.owned(query, owner_id)
    # {% endif %}
    with reading() as connection:
        found = repository.views(connection, query)
    if not found:
        raise NotFound
    return found[0]


# {% if cookiecutter.caching %}
@cached.order
# {% endif %}
def representation(  # one line where it fits
    order_id: UUID,
    # {% if cookiecutter.auth != "none" %}
    owner_id: UUID,
    # {% endif %}
) -> Representation:
    """Return the JSON representation of one order. Raises what `find` raises."""
    order = find(  # one line where it fits
        order_id,
        # {% if cookiecutter.auth != "none" %}
        owner_id,
        # {% endif %}
    )
    return Representation(order.version, orjson.dumps(order))


def list_orders(  # one line where it fits
    limit: int,
    after: Position | None = None,
    # {% if cookiecutter.auth != "none" %}
    *,
    owner_id: UUID,
    # {% endif %}
) -> Page[OrderView]:
    """Return a page of orders, newest first."""
    query = repository.page(limit + 1, after)
    # {% if cookiecutter.auth != "none" %}
    query = repository.owned(query, owner_id)
    # {% endif %}
    with reading() as connection:
        return Page.of(repository.views(connection, query), limit)


def cancel(  # one line where it fits
    order_id: UUID,
    # {% if cookiecutter.auth != "none" %}
    owner_id: UUID,
    # {% endif %}
    *,
    if_match_holds: Callable[[int], bool] = lambda _version: True,
) -> OrderView:
    """Cancel an order, if `if_match_holds` accepts its version.

    Raises:
        NotFound: when no order has this id.
        PreconditionFailed: when the order has another version.
        OrderAlreadyCancelled: when the order is cancelled already.
        # {% if cookiecutter.webhooks %}
        OrderAlreadyPaid: when the order is paid and needs a refund first.
        # {% endif %}

    """
    with writing() as session:
        order = repository.entity(session, order_id)
        if order is None:
            raise NotFound
        # {% if cookiecutter.auth != "none" %}
        if order.owner_id != owner_id:
            raise NotFound
        # {% endif %}
        if not if_match_holds(order.version):
            raise PreconditionFailed
        cancel_entity(order)
    return view(order)


def cancel_entity(order: Order) -> None:
    """Cancel an order in the transaction that read it. Raises what `cancel` raises."""
    if order.status is OrderStatus.CANCELLED:
        raise OrderAlreadyCancelled
    # {% if cookiecutter.webhooks %}
    if order.paid_at:
        raise OrderAlreadyPaid
    # {% endif %}
    order.status = OrderStatus.CANCELLED


def view(order: Order) -> OrderView:
    """Return the view of an order."""
    lines = [
        PricedLine(line.sku, line.quantity, line.unit_price_cents, line.total_cents)
        for line in order.lines
    ]
    return OrderView(
        id=order.id,
        status=order.status,
        currency=order.currency,
        total_cents=order.total_cents,
        created_at=order.created_at,
        # {% if cookiecutter.webhooks %}
        paid_at=order.paid_at,
        # {% endif %}
        version=order.version,
        lines=lines,
    )


def _priced(  # one line where it fits
    quote: Quote,
    claim: Claim | None,
    # {% if cookiecutter.auth != "none" %}
    owner_id: UUID,
    # {% endif %}
) -> Order:
    return Order(
        id=uuid4(),
        # {% if cookiecutter.auth != "none" %}
        owner_id=owner_id,
        # {% endif %}
        currency=quote.currency,
        total_cents=quote.total_cents,
        created_at=datetime.now(UTC),
        idempotency_key=claim.key if claim else None,
        fingerprint=claim.fingerprint if claim else None,
        lines=[
            OrderLine(position=position, **asdict(line))
            for position, line in enumerate(quote.lines, start=1)
        ],
    )


def _placed_before(claim: Claim) -> OrderView | None:
    with reading() as connection:
        placed = repository.find_by_idempotency_key(connection, claim.key)
        if placed is None:
            return None
        if placed.fingerprint != claim.fingerprint:
            raise IdempotencyKeyReused
        return repository.views(connection, repository.by_id(placed.id))[0]
