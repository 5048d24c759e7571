"""The tables of orders."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Enum, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.api.idempotency import DIGEST_LENGTH
from app.core.database import Base


class OrderStatus(StrEnum):
    """The status of an order."""

    PLACED = "placed"
    CANCELLED = "cancelled"


class Order(Base, kw_only=True):
    """An order, with the prices at the time of ordering."""

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # {% if cookiecutter.auth != "none" %}
    # The owner of orders from before there were accounts: an id that no account has.
    owner_id: Mapped[UUID] = mapped_column(server_default="0" * 32)
    # {% endif %}
    # A string with a CHECK constraint, because native enumerations are hard to change.
    status: Mapped[OrderStatus] = mapped_column(
        Enum(
            OrderStatus,
            name="status",
            native_enum=False,
            create_constraint=True,
            length=16,
            values_callable=lambda kind: [status.value for status in kind],
        ),
        default=OrderStatus.PLACED,
    )
    currency: Mapped[str] = mapped_column(String(3))
    total_cents: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    # {% if cookiecutter.webhooks %}
    paid_at: Mapped[datetime | None] = mapped_column(default=None)
    # {% endif %}
    # NULL without an Idempotency-Key: a unique constraint allows any number of NULLs.
    idempotency_key: Mapped[str | None] = mapped_column(
        String(DIGEST_LENGTH), unique=True, default=None
    )
    fingerprint: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH), default=None)
    version: Mapped[int] = mapped_column(init=False)

    lines: Mapped[list["OrderLine"]] = relationship(
        order_by="OrderLine.position",
        cascade="all, delete-orphan",
        passive_deletes=True,
        lazy="raise",  # fail instead of sending a query for each order
    )

    __table_args__ = (
        Index(None, "created_at", "id"),
        # {% if cookiecutter.auth != "none" %}
        Index(None, "owner_id", "created_at", "id"),
        # {% endif %}
        CheckConstraint("total_cents >= 0", name="total_cents"),
    )
    # Optimistic locking: of two concurrent changes, the second one fails.
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  SQLAlchemy's own way


class OrderLine(Base, kw_only=True):
    """A line of an order: an article and its quantity."""

    __tablename__ = "order_lines"

    # The primary key starts with this column, so it also serves as the foreign key's index.
    order_id: Mapped[UUID] = mapped_column(
        ForeignKey(Order.id, ondelete="CASCADE"), primary_key=True, init=False
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(64))
    quantity: Mapped[int]
    unit_price_cents: Mapped[int] = mapped_column(BigInteger)
    total_cents: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("unit_price_cents >= 0", name="unit_price_cents"),
        CheckConstraint("total_cents = quantity * unit_price_cents", name="total_cents"),
    )
