"""The table of processed deliveries."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.api.idempotency import DIGEST_LENGTH
from app.core.database import Base


class Delivery(Base, kw_only=True):
    """A processed delivery. Its id is stored as a digest, because collations may ignore case."""

    __tablename__ = "webhook_deliveries"

    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    received_at: Mapped[datetime] = mapped_column(index=True)
