"""The table of logins."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class LoginSession(Base, kw_only=True):
    """One login of one person, on one device."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    # {% if cookiecutter.auth == "jwt" %}
    network_digest: Mapped[str] = mapped_column(sa.String(64))
    # Of the one refresh token that is good; NULL when none was handed out.
    refresh_digest: Mapped[str | None] = mapped_column(sa.String(64), default=None)
    replaced_at: Mapped[datetime | None] = mapped_column(default=None)
    """When that token replaced the one before it."""
    # {% endif %}

    __table_args__ = (sa.Index(None, "owner_id"),)
