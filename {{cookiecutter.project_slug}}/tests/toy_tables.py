"""Tables of the toy domain, with metadata of their own: no migration is compared with them.

A test module with `pytestmark = pytest.mark.usefixtures("toy_tables")` has them in the database of the run.
"""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Identity, MetaData, String, func, select
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, IntegerId, reading

WHEN = datetime(2026, 11, 25, 12, tzinfo=UTC)


class ToyBase(Base):
    """The base of the toy domain's models."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Note(ToyBase, kw_only=True):
    """A note that is stored."""

    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    text: Mapped[str] = mapped_column(String(20), default="Buy tea")
    copies: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=WHEN)


class Remark(ToyBase, kw_only=True):
    """A remark about a note."""

    __tablename__ = "remarks"

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    note_id: Mapped[UUID] = mapped_column(ForeignKey(Note.id), index=True)


class Label(ToyBase, kw_only=True):
    """A label of a note: each name once."""

    __tablename__ = "labels"

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    name: Mapped[str] = mapped_column(String(20), unique=True)
    note_id: Mapped[UUID | None] = mapped_column(ForeignKey(Note.id), default=None)
    copies: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(init=False)

    __table_args__ = (CheckConstraint("copies >= 0", name="copies"),)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  SQLAlchemy's own way


class Ticket(ToyBase, kw_only=True):
    """A ticket that the database numbers."""

    __tablename__ = "tickets"

    id: Mapped[int] = mapped_column(IntegerId, Identity(), primary_key=True, init=False)
    text: Mapped[str] = mapped_column(String(20), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=WHEN)
    version: Mapped[int] = mapped_column(init=False)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  SQLAlchemy's own way


def stored_notes() -> int:
    """Return how many notes are stored."""
    with reading() as connection:
        return connection.execute(select(func.count()).select_from(Note)).scalar_one()
