"""The table of sessions."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class LoginSession(Base, kw_only=True):
    """A session of one user in one browser or client."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    # {% if cookiecutter.auth == "jwt" %}
    network_digest: Mapped[str] = mapped_column(sa.String(64), server_default="")
    # Of the one current refresh token; NULL if none was issued.
    refresh_digest: Mapped[str | None] = mapped_column(sa.String(64), default=None)
    replaced_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the current refresh token replaced the previous one."""
    # {% endif %}

    __table_args__ = (sa.Index(None, "owner_id"),)
