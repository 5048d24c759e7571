"""Payments of orders, by the events of a payment provider."""

import logging
from datetime import UTC, datetime

from flask import Flask

from app import webhooks
from app.core.errors import Unprocessable
from app.orders.models import Order, OrderStatus
from app.quotes.payments import PAYMENT_SUCCEEDED, Payment, PaymentSchema

logger = logging.getLogger(__name__)


class PaymentMismatch(Unprocessable):
    """No order has this id, amount and currency."""

    code = "payment_mismatch"
    detail = "No order matches this payment."


def pay(event: webhooks.Event) -> None:
    """Mark an order as paid, in the transaction that stores the delivery.

    A cancelled order is marked too, because the money has arrived. A warning is logged, so that an
    operator can refund it.

    Raises:
        PaymentMismatch: when no order has this id, or its amount or currency differs.

    """
    payment: Payment = event.data
    # Lock the row: another payment may arrive at the same time.
    order = event.session.get(Order, payment["order_id"], with_for_update=True)
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


def init_app(app: Flask) -> None:
    """Register the handler of payments."""
    webhooks.register(app, PAYMENT_SUCCEEDED, PaymentSchema, pay)
