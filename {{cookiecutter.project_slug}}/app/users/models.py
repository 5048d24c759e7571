"""The tables of accounts and of attempts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Enum, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.mail import EMAIL_LENGTH
from app.roles import Role

DIGEST_LENGTH = 64


class User(Base, kw_only=True):
    """An account. A confirmed account is never deleted, so what it owns never gets another owner."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # Lower-case ASCII, so that addresses compare the same under every collation.
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH), unique=True)
    email_verified_at: Mapped[datetime | None] = mapped_column(default=None)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(
        Enum(
            Role,
            name="role",
            native_enum=False,
            create_constraint=True,
            length=16,
            values_callable=lambda kind: [role.value for role in kind],
        ),
        default=Role.USER,
    )
    created_at: Mapped[datetime]
    deactivated_at: Mapped[datetime | None] = mapped_column(default=None)
    version: Mapped[int] = mapped_column(init=False)

    @property
    def unconfirmed(self) -> bool:
        """Whether the account is active but unconfirmed: anyone may have registered its address."""
        return self.email_verified_at is None and self.deactivated_at is None

    __table_args__ = (Index(None, "created_at", "id"),)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  SQLAlchemy's own way


class Attempt(Base, kw_only=True):
    """An attempt that counts toward a limit: a failed login or a requested email."""

    __tablename__ = "attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    account_digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    network_digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    at: Mapped[datetime]

    __table_args__ = (
        Index(None, "kind", "account_digest", "at"),
        Index(None, "kind", "network_digest", "at"),
        Index(None, "at"),
    )
