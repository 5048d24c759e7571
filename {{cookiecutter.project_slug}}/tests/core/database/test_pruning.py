from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
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


@pytest.fixture
def ages(app: Flask, monkeypatch: pytest.MonkeyPatch) -> dict[str, timedelta]:
    """Register two rules in place of the service's own; return which ages they have deleted."""
    found: dict[str, timedelta] = {}

    def register(name: str, number: int, keep: timedelta) -> None:
        def delete_before(moment: datetime) -> int:
            found[name] = datetime.now(UTC) - moment
            return number

        pruning.register(app, name, delete_before, keep=keep)

    monkeypatch.setitem(app.extensions, pruning.rules.name, {})
    register("visits", 2, timedelta(days=90))
    register("codes", 0, timedelta(hours=1))
    return found


def test_one_command_deletes_all_old_rows(app: Flask, ages: dict[str, timedelta]) -> None:
    result = app.test_cli_runner().invoke(args=["prune"])

    assert (result.exit_code, result.output) == (0, "visits: 2 deleted\ncodes: 0 deleted\n")
    assert round(ages["visits"] / timedelta(hours=1)) == 90 * 24
    assert round(ages["codes"] / timedelta(hours=1)) == 1


@pytest.mark.usefixtures("ages")
def test_rows_that_cannot_be_deleted_do_not_stop_the_others(app: Flask) -> None:
    def locked(_moment: datetime) -> int:
        raise OperationalError("DELETE", None, Exception("the table is locked"))

    pruning.register(app, "visits", locked, keep=timedelta(days=90))
    result = app.test_cli_runner().invoke(args=["prune"])

    assert result.exit_code == 1
    assert result.stdout == "codes: 0 deleted\n"
    assert result.stderr == "Error: visits could not be deleted: the table is locked\n"


@pytest.mark.parametrize(("options", "days"), [([], 90), (["--days", "30"], 30)])
def test_one_kind_of_rows_can_be_deleted_alone(
    options: list[str], days: int, app: Flask, ages: dict[str, timedelta]
) -> None:
    result = app.test_cli_runner().invoke(args=["prune", "--only", "visits", *options])

    assert (result.exit_code, result.output) == (0, "visits: 2 deleted\n")
    assert {name: round(age / timedelta(days=1)) for name, age in ages.items()} == {"visits": days}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "users"], "'users' is not one of visits, codes."),
        (["--days", "30"], "--days needs --only."),
        (["--only", "visits", "--days", "0"], "0 is not in the range x>=1."),
    ],
)
def test_wrong_options_delete_nothing(
    options: list[str], message: str, app: Flask, ages: dict[str, timedelta]
) -> None:
    result = app.test_cli_runner().invoke(args=["prune", *options])

    assert result.exit_code == 2
    assert message in result.output
    assert not ages
