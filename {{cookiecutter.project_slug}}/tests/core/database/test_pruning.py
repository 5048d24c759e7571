from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.core.database import db, pruning, reading, writing


class Tables(DeclarativeBase):
    """Tables that only these tests use."""


class Row(Tables):
    """A row with an age."""

    __tablename__ = "rows_of_a_test"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    age: Mapped[int]


@pytest.fixture(autouse=True)
def table(app: Flask) -> Iterator[None]:
    """Create the table, and drop it after the test."""
    with app.app_context():
        Tables.metadata.create_all(db.engine)
        yield
        Tables.metadata.drop_all(db.engine)


@pytest.mark.parametrize("old", [0, 1, 2, 5])
def test_old_rows_are_deleted_some_at_a_time(old: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MAX_AT_ONCE", 2)
    with writing() as transaction:
        transaction.add_all(Row(id=number, age=1 if number < old else 0) for number in range(7))

    assert pruning.delete_all(Row, Row.age == 1) == old

    with reading() as connection:
        assert connection.execute(select(func.count(Row.id))).scalar_one() == 7 - old
