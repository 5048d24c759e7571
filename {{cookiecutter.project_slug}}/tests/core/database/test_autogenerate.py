from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import check, downgrade, migrate, upgrade
from sqlalchemy.exc import DBAPIError

from app.core.database import Base, UTCDateTime, autogenerate, reading, reading_engine

MIGRATIONS = Path(__file__).parents[3] / "migrations"
ONE = UUID(int=1)
DRAFT_OR_SENT = sa.Enum("draft", "sent", name="status", native_enum=False, length=8)


def tables(*columns: sa.Column[Any]) -> sa.MetaData:
    """Return models: invoices with these columns, and their customers."""
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    sa.Table("customers", metadata, sa.Column("id", sa.Uuid, primary_key=True))
    sa.Table("invoices", metadata, sa.Column("id", sa.Uuid, primary_key=True), *columns)
    return metadata


class History:
    """Models that change, and the migrations that follow them, in a folder of their own."""

    def __init__(self, app: Flask, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.app = app
        self.folder = folder
        self.patch = patch

    def model(self, metadata: sa.MetaData) -> None:
        """Use other models from now on."""
        self.patch.setattr(autogenerate, "db", SimpleNamespace(metadata=metadata))

    def follow(self, metadata: sa.MetaData | None = None) -> None:
        """Write a migration for the models, if there are differences, and run it."""
        if metadata is not None:
            self.model(metadata)
        migrate(str(self.folder), "Follow the models")
        upgrade(str(self.folder))

    def differs(self) -> bool:
        """Return whether `flask db check` finds differences."""
        try:
            check(str(self.folder))
        except SystemExit:
            return True
        return False

    def retain(self) -> str:
        """Run `flask retain`; return its output."""
        return self.app.test_cli_runner().invoke(args=["retain"]).output


@pytest.fixture
def history(empty_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    """Return a history without migrations, for an empty database."""
    folder = tmp_path / "migrations"
    copytree(MIGRATIONS, folder, ignore=ignore_patterns("versions", "retained.toml"))
    (folder / "versions").mkdir()
    monkeypatch.setattr(empty_app, "root_path", str(tmp_path / "app"))
    with empty_app.app_context():
        yield History(empty_app, folder, monkeypatch)


def execute(app: Flask, statement: sa.Executable) -> None:
    with reading_engine.of(app).connect() as connection:
        connection.execute(statement)


def invoice(metadata: sa.MetaData) -> dict[str, Any]:
    with reading() as connection:
        row = connection.execute(sa.select(metadata.tables["invoices"])).mappings().one()
    return dict(row)


def test_new_columns_have_values_in_existing_rows(
    history: History, capsys: pytest.CaptureFixture[str]
) -> None:
    history.follow(before := tables())
    execute(history.app, before.tables["invoices"].insert().values(id=ONE))
    after = tables(
        sa.Column("number", sa.String(8), nullable=False),
        sa.Column("total_cents", sa.BigInteger, nullable=False),
        sa.Column("rate", sa.Numeric(4, 2), nullable=False),
        sa.Column("paid", sa.Boolean, nullable=False),
        sa.Column("status", DRAFT_OR_SENT, nullable=False),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("copies", sa.Integer, server_default="1", nullable=False),
        sa.Column("note", sa.String(8)),
    )

    history.model(after)
    assert history.differs()
    assert "existing rows" not in capsys.readouterr().err

    history.follow()

    assert not history.differs()
    assert invoice(after) == {
        "id": ONE,
        "number": "",
        "total_cents": 0,
        "rate": 0,
        "paid": False,
        "status": "draft",
        "owner_id": UUID(int=0),
        "copies": 1,
        "note": None,
    }
    assert "invoices.status: existing rows get 'draft';" in capsys.readouterr().err


def statuses(*values: str) -> sa.Column[Any]:
    checked = sa.Enum(*values, name="status", native_enum=False, create_constraint=True, length=8)
    return sa.Column("status", checked, nullable=False)


def test_an_enum_with_another_value_gets_another_check(history: History) -> None:
    history.follow(before := tables(statuses("draft", "sent")))
    execute(history.app, before.tables["invoices"].insert().values(id=ONE, status="sent"))
    after = tables(statuses("draft", "sent", "paid"))
    paid = after.tables["invoices"].update().values(status="paid")
    with pytest.raises(DBAPIError):  # MySQL's is an OperationalError
        execute(history.app, paid)
    history.model(after)
    assert history.differs()

    history.follow()

    assert not history.differs()
    execute(history.app, paid)
    assert invoice(after)["status"] == "paid"
    with pytest.raises(DBAPIError):
        execute(history.app, sa.text("UPDATE invoices SET status = 'lost'"))

    execute(history.app, after.tables["invoices"].update().values(status="sent"))
    downgrade(str(history.folder))

    assert invoice(before)["status"] == "sent"
    with pytest.raises(DBAPIError):
        execute(history.app, paid)


def test_a_table_that_sqlite_copies_keeps_the_check_of_its_enum(history: History) -> None:
    history.follow(tables(statuses("draft", "sent"), sa.Column("note", sa.String(8))))
    after = tables(statuses("draft", "sent"), sa.Column("note", sa.String(9), nullable=False))

    history.follow(after)

    assert not history.differs()
    lost = after.tables["invoices"].insert().values(id=ONE, note="", status=sa.text("'lost'"))
    with pytest.raises(DBAPIError):
        execute(history.app, lost)


def test_a_check_that_the_database_lacks_is_made(history: History) -> None:
    history.follow(tables(sa.Column("status", sa.String(8), nullable=False)))
    history.model(after := tables(statuses("draft", "sent")))
    assert history.differs()

    history.follow()

    assert not history.differs()
    with pytest.raises(DBAPIError):
        execute(
            history.app,
            sa.text("INSERT INTO invoices (id, status) VALUES (:id, 'lost')").bindparams(
                sa.bindparam("id", ONE, sa.Uuid)
            ),
        )
    execute(history.app, after.tables["invoices"].insert().values(id=ONE, status="draft"))


def test_a_column_whose_value_only_a_person_knows_is_empty_at_first(
    history: History, capsys: pytest.CaptureFixture[str]
) -> None:
    history.follow(before := tables())
    execute(history.app, before.tables["invoices"].insert().values(id=ONE))
    customer = sa.ForeignKey("customers.id")
    after = tables(
        sa.Column("due_at", UTCDateTime, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Uuid, customer, nullable=False, index=True),
    )

    history.follow(after)

    assert invoice(after) == {"id": ONE, "due_at": None, "text": None, "customer_id": None}
    assert "invoices.due_at: the migration lets this column be empty" in capsys.readouterr().err
    assert history.differs()

    execute(history.app, after.tables["invoices"].delete())
    history.follow()

    assert not history.differs()


def test_what_is_retained_keeps_its_rows_until_its_line_is_deleted(history: History) -> None:
    history.follow(
        before := tables(
            sa.Column("status", sa.String(8), index=True), sa.Column("note", sa.String(8))
        )
    )
    row = before.tables["invoices"].insert().values(id=ONE, status="sent", note="Tea")
    execute(history.app, row)
    after = tables(sa.Column("note", sa.String(8)))
    after.remove(after.tables["customers"])
    history.model(after)
    assert history.differs()

    assert history.retain().endswith("retained.toml: customers, invoices.status.\n")

    assert not history.differs()
    history.follow()
    assert invoice(before) == {"id": ONE, "status": "sent", "note": "Tea"}

    listed = history.folder / "retained.toml"
    listed.write_text(listed.read_text().replace('    "invoices.status",\n', ""))
    history.follow()

    assert invoice(after) == {"id": ONE, "note": "Tea"}
    assert history.retain().endswith("retained.toml: customers.\n")


def test_what_a_model_describes_again_is_not_retained(history: History) -> None:
    history.follow(both := tables())
    one = tables()
    one.remove(one.tables["customers"])
    history.model(one)
    history.retain()

    history.model(both)

    assert not history.differs()
    assert history.retain().endswith("retained.toml: nothing.\n")
    assert not (history.folder / "retained.toml").exists()


def test_an_index_is_dropped_with_its_table(history: History) -> None:
    customer = sa.Column("customer_id", sa.Uuid, sa.ForeignKey("customers.id"), index=True)
    history.follow(tables(customer))

    downgrade(str(history.folder), revision="base")

    (written,) = history.folder.glob("versions/*_follow_the_models.py")
    assert "create_index" in written.read_text()
    assert "drop_index" not in written.read_text()
    upgrade(str(history.folder))
