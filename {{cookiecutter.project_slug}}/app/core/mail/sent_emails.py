"""Counts emails per recipient in the database; rows are deleted after an hour."""

from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from flask import Flask
from sqlalchemy import Index, String, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.core import (  # one line where it fits
    pseudonyms,
    # {% if cookiecutter.background_tasks %}
    tasks,
    # {% endif %}
)
from app.core.database import Base, pruning, reading, writing

# {% if cookiecutter.background_tasks %}
AN_HOUR = 3_600.0
# {% endif %}
KEEP = timedelta(hours=1)


class SentEmail(Base, kw_only=True):
    """An email that is counted; of its recipient, only a keyed digest is stored."""

    __tablename__ = "sent_emails"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(String(32))
    recipient_digest: Mapped[str] = mapped_column(String(pseudonyms.LENGTH))
    sent_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "recipient_digest", "category", "sent_at"),
        Index(None, "sent_at"),
    )


class DatabaseCounter:
    """Counts emails in the database."""

    def add(self, category: str, recipient: str, message_id: str, seconds: int) -> int:
        """Store an email before counting, so that concurrent emails include each other."""
        now = datetime.now(UTC)
        row = SentEmail(
            id=_id(message_id), category=category, recipient_digest=recipient, sent_at=now
        )
        try:
            with writing() as transaction:
                transaction.add(row)
        except IntegrityError:
            pass  # stored by a process that was killed before it could send the email
        number = select(func.count(SentEmail.id)).where(
            SentEmail.recipient_digest == recipient,
            SentEmail.category == category,
            SentEmail.sent_at > now - timedelta(seconds=seconds),
        )
        with reading() as connection:
            return connection.execute(number).scalar_one()

    def withdraw(self, message_id: str) -> None:
        """Delete an email's row."""
        with writing() as transaction:
            transaction.execute(delete(SentEmail).where(SentEmail.id == _id(message_id)))


def _id(message_id: str) -> UUID:
    return uuid5(NAMESPACE_URL, message_id)


def delete_before(moment: datetime) -> int:
    """Delete the rows of emails sent before a moment; return their number."""
    return pruning.delete_all(SentEmail, SentEmail.sent_at < moment)


def init_app(app: Flask) -> None:
    """Register the deletion of old rows."""
    pruning.register(app, "sent_emails", delete_before, keep=KEEP)
    # {% if cookiecutter.background_tasks %}
    rule = pruning.rules.of(app)["sent_emails"]
    tasks.schedule.periodic_jobs.of(app).add("emails.delete", AN_HOUR, rule.apply)
    # {% endif %}
