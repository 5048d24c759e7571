"""Payments of orders. A feature that receives payments calls `pay`."""

import logging
from datetime import UTC, datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import Unprocessable
from app.orders.models import Order, OrderStatus

logger = logging.getLogger(__name__)


class PaymentMismatch(Unprocessable):
    """No order has this id, amount and currency."""

    code = "payment_mismatch"
    detail = "No order matches this payment."


class Payment(TypedDict):
    """A payment, as validated by the schema."""

    order_id: UUID
    amount_cents: int
    currency: str


def pay(session: Session, payment: Payment) -> None:
    """Mark an order as paid, in the given transaction.

    A cancelled order is marked too, because the money has arrived. A warning is logged, so that an
    operator can refund it.

    Raises:
        PaymentMismatch: when no order has this id, or its amount or currency differs.

    """
    # Lock the row: another payment may arrive at the same time.
    order = session.get(Order, payment["order_id"], with_for_update=True)
    fields = {"order_id": str(payment["order_id"])}
    due = (order.total_cents, order.currency) if order else None
    if order is None or due != (payment["amount_cents"], payment["currency"]):
        logger.warning("payment mismatched", extra=fields)
        raise PaymentMismatch
    if order.paid_at:
        logger.warning("order paid twice", extra=fields)
        return
    order.paid_at = datetime.now(UTC)
    if order.status is OrderStatus.CANCELLED:
        logger.warning("cancelled order paid", extra=fields)
