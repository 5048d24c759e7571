"""Emails about accounts: stored in the database and sent by a task, so no crash loses one.

The task's message holds only the id of a row, because messages pass through the broker. The row is
stored in the transaction that the email belongs to, and deleted when the email is sent or
permanently refused. If a worker dies, an email may be sent twice, with the same Message-ID.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import TypedDict
from uuid import UUID, uuid4

from flask import Flask
from marshmallow import fields
from sqlalchemy import String, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import mail, pseudonyms
from app.core.database import Base, pruning, writing
from app.core.mail import email_queue
from app.core.schemas import Schema
from app.core.tasks import PermanentFailure, Task, tasks
from app.core.tasks.outbox import outbox
from app.core.tasks.schedule import periodic_jobs
from app.users import emails
from app.users.emails import EmailRequest

logger = logging.getLogger(__name__)

KEEP = timedelta(days=1)  # a user who waits longer requests another email
EVERY_SECONDS = 3_600.0


class AccountEmail(Base, kw_only=True):
    """An email that has not been sent yet."""

    __tablename__ = "account_emails"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    template: Mapped[str] = mapped_column(String(32))
    category: Mapped[str] = mapped_column(String(32))
    recipient: Mapped[str | None] = mapped_column(String(mail.EMAIL_LENGTH))
    account_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(String(pseudonyms.LENGTH))
    erase_at: Mapped[datetime] = mapped_column(index=True)


class EmailSchema(Schema):
    """The payload of the task."""

    email_id = fields.UUID(required=True)


class _Email(TypedDict):
    email_id: UUID


def add(transaction: Session, email: EmailRequest) -> None:
    """Send an email after the transaction commits; it is stored even without a recipient."""
    row = AccountEmail(
        id=uuid4(),
        template=email.template,
        category=email.category.name,
        recipient=email.to,
        account_id=email.account,
        state=email.state,
        erase_at=datetime.now(UTC) + KEEP,
    )
    transaction.add(row)
    outbox.current.add(transaction, TASK, {"email_id": row.id})


def send(values: _Email) -> None:
    """Send an email, unless it has been sent or its recipient has reached the limit.

    Raises:
        PermanentFailure: when the mail server refuses it permanently.
        OSError: when delivery failed temporarily.

    """
    email_id = values["email_id"]
    with writing() as transaction:
        row = transaction.get(AccountEmail, email_id)
    if row is None:
        logger.info("email skipped")
        return
    if row.recipient:
        category = emails.CATEGORIES[row.category]
        email = EmailRequest(row.template, row.recipient, category, row.account_id, row.state)
        try:
            email_queue.current.deliver(row.recipient, emails.compose(email), f"account.{email_id}")
        except mail.EmailRejected:
            _delete(email_id)
            raise PermanentFailure from None
    _delete(email_id)


def _delete(email_id: UUID) -> None:
    with writing() as transaction:
        transaction.execute(delete(AccountEmail).where(AccountEmail.id == email_id))


def delete_before(moment: datetime) -> int:
    """Delete the unsent emails stored before a moment; return the number deleted."""
    return pruning.delete_all(AccountEmail, AccountEmail.erase_at <= moment + KEEP)


TASK = Task("users.send_email", EmailSchema(), send)


def init_app(app: Flask) -> None:
    """Register the task that sends emails and the deletion of old ones."""
    tasks.of(app).add(TASK)
    rule = pruning.register(app, "account_emails", delete_before, keep=KEEP)
    periodic_jobs.of(app).add("users.delete_emails", EVERY_SECONDS, rule.apply)
