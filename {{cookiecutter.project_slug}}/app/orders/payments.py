"""What a payment means for an order; whoever learns of payments calls this."""

import logging
from datetime import UTC, datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import Unprocessable
from app.orders.models import Order, OrderStatus

logger = logging.getLogger(__name__)


class PaymentMismatch(Unprocessable):
    """Nothing to pay is known by these values."""

    code = "payment_mismatch"
    detail = "No order matches this payment."


class Payment(TypedDict):
    """What was paid, as the schema lets it through."""

    order_id: UUID
    amount_cents: int
    currency: str


def pay(session: Session, payment: Payment) -> None:
    """Mark an order as paid, in the transaction of whoever learned of the payment.

    A cancelled order is marked too, since the money has arrived; a warning asks to give it back.

    Raises:
        PaymentMismatch: when there is no such order, or another amount or currency is due.

    """
    # Locked, because another payment may arrive at this moment.
    order = session.get(Order, payment["order_id"], with_for_update=True)
    words = {"order_id": str(payment["order_id"])}
    due = (order.total_cents, order.currency) if order else None
    if order is None or due != (payment["amount_cents"], payment["currency"]):
        logger.warning("payment mismatched", extra=words)
        raise PaymentMismatch
    if order.paid_at:
        logger.warning("order paid twice", extra=words)
        return
    order.paid_at = datetime.now(UTC)
    if order.status is OrderStatus.CANCELLED:
        logger.warning("cancelled order paid", extra=words)
