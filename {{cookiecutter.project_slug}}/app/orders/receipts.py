"""Receipts: an order with an email address gets one email, sent by a task after the commit.

A row stores the state of each receipt. A run of the task claims the row, sends the email and marks
it as sent. If the run dies, its claim expires when the run can no longer be alive.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import TypedDict
from uuid import UUID

from flask import Flask
from marshmallow import fields
from sqlalchemy import ForeignKey, String, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import mail
from app.core.database import Base, affected, pruning, reading, writing
from app.core.mail import email_queue
from app.core.schemas import Schema
from app.core.tasks import PermanentFailure, RetryLater, Task, tasks
from app.core.tasks.outbox import outbox
from app.core.tasks.schedule import periodic_jobs
from app.orders import repository
from app.orders.models import Order

logger = logging.getLogger(__name__)

KEEP = timedelta(days=7)  # how long the address of an unsent receipt is stored
EVERY_SECONDS = 3_600.0


class Receipt(Base, kw_only=True):
    """A requested receipt. The address is erased when it is no longer needed."""

    __tablename__ = "receipts"

    order_id: Mapped[UUID] = mapped_column(
        ForeignKey(Order.id, ondelete="CASCADE"), primary_key=True
    )
    email: Mapped[str | None] = mapped_column(String(mail.EMAIL_LENGTH))
    erase_at: Mapped[datetime | None] = mapped_column(index=True)
    claimed_until: Mapped[datetime | None] = mapped_column(default=None)
    sent_at: Mapped[datetime | None] = mapped_column(default=None)


class ReceiptSchema(Schema):
    """The payload of the task: only the order's id, because messages pass through the broker."""

    order_id = fields.UUID(required=True)


class _Order(TypedDict):
    order_id: UUID


def enqueue(session: Session, order_id: UUID, email: str) -> None:
    """Queue a receipt in the transaction that stores the order; it is sent after the commit."""
    session.add(Receipt(order_id=order_id, email=email, erase_at=datetime.now(UTC) + KEEP))
    outbox.current.add(session, TASK, {"order_id": order_id})


def send(values: _Order) -> None:
    """Send the receipt of an order, unless it was sent or its recipient has reached the limit.

    Raises:
        RetryLater: while another run has claimed the receipt.
        PermanentFailure: when the mail server refuses the email permanently.
        OSError: when delivery failed temporarily.

    """
    order_id = values["order_id"]
    email = _claim(order_id)
    if email is None:
        return
    with reading() as connection:
        (order,) = repository.views(connection, repository.by_id(order_id))
    message = mail.Email(email, *mail.templates.render("orders/emails/receipt.txt", order=order))
    try:
        sent = email_queue.current.deliver(email, message, f"receipt.{order_id}")
    except mail.EmailRejected:
        _note(order_id, email=None, erase_at=None, claimed_until=None)
        raise PermanentFailure from None
    except OSError:
        _note(order_id, claimed_until=None)
        raise
    sent_at = datetime.now(UTC) if sent else None
    _note(order_id, email=None, erase_at=None, claimed_until=None, sent_at=sent_at)


def _claim(order_id: UUID) -> str | None:
    """Claim a receipt and return its address, or None if there is nothing to send."""
    now = datetime.now(UTC)
    # No run lasts longer, not even one orphaned by its worker and waiting for a slow server.
    until = now + timedelta(seconds=2 * tasks.current.settings.task_hard_time_limit_seconds)
    free = or_(Receipt.claimed_until.is_(None), Receipt.claimed_until <= now)
    mine = update(Receipt).where(Receipt.order_id == order_id, Receipt.email.is_not(None), free)
    with writing() as session:
        done = session.execute(mine.values(claimed_until=until))
        found = session.execute(
            select(Receipt.email, Receipt.claimed_until).where(Receipt.order_id == order_id)
        ).one_or_none()
    if found is None or found.email is None:
        logger.info("receipt skipped", extra={"order_id": str(order_id)})
        return None
    if not affected(done):
        raise RetryLater((found.claimed_until - now).total_seconds() + 1)
    return str(found.email)


def _note(order_id: UUID, **values: object) -> None:
    with writing() as session:
        session.execute(update(Receipt).where(Receipt.order_id == order_id).values(**values))


def erase_addresses_before(moment: datetime) -> int:
    """Erase the addresses of unsent receipts stored before a moment; return their number."""
    old = update(Receipt).where(Receipt.erase_at <= moment + KEEP)
    with writing() as session:
        done = session.execute(old.values(email=None, erase_at=None))
    return affected(done)


TASK = Task("orders.send_receipt", ReceiptSchema(), send)


def init_app(app: Flask) -> None:
    """Register the task that sends receipts and the deletion of old addresses."""
    tasks.of(app).add(TASK)
    rule = pruning.register(app, "receipt_addresses", erase_addresses_before, keep=KEEP)
    periodic_jobs.of(app).add("orders.erase_addresses", EVERY_SECONDS, rule.apply)
