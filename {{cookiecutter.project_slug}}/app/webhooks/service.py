"""What events bring about. A delivery counts once, however often it comes."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.api.idempotency import digest
from app.core.database import pruning, writing
from app.orders.payments import Payment, pay
from app.webhooks.models import Delivery

logger = logging.getLogger(__name__)


class _SeenBefore(Exception):  # noqa: N818  it ends a transaction, and is no error
    """The delivery is stored already."""


def payment_succeeded(delivery_id: str, payment: Payment) -> None:
    """Mark the order as paid.

    Raises:
        PaymentMismatch: when no order matches; nothing is stored, so the sender tries again.

    """
    _once(delivery_id, partial(pay, payment=payment))


def forget_before(moment: datetime) -> int:
    """Delete older deliveries and return how many there were."""
    return pruning.delete_all(Delivery, Delivery.received_at < moment)


def _once(delivery_id: str, effect: Callable[[Session], None]) -> None:
    """Store the delivery and its effect in one transaction; the unique key decides who is first."""
    try:
        with writing() as session:
            session.add(
                Delivery(digest=digest(delivery_id.encode()), received_at=datetime.now(UTC))
            )
            try:
                session.flush()
            except IntegrityError:
                raise _SeenBefore from None
            effect(session)
    except _SeenBefore:
        logger.info("webhook redelivered", extra={"webhook_id": delivery_id})
