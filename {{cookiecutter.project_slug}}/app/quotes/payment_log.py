"""The effect of payments in a service without a database: a log line for each."""

import logging

from flask import Flask

from app import webhooks
from app.quotes.payments import PAYMENT_SUCCEEDED, Payment, PaymentSchema

logger = logging.getLogger(__name__)


def log_payment(event: webhooks.Event) -> None:
    """Log a payment. Without a database there is no order that it could pay."""
    payment: Payment = event.data
    fields = {"webhook_id": event.delivery_id, "order_id": str(payment["order_id"])}
    logger.info("payment received", extra=fields)


def init_app(app: Flask) -> None:
    """Register the handler of payments."""
    webhooks.register(app, PAYMENT_SUCCEEDED, PaymentSchema, log_payment)
