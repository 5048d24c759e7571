from sqlalchemy import Column, Integer, MetaData, Table

from app.core.database import postgresql_inserts

NOTES = Table("notes", MetaData(), Column("id", Integer, primary_key=True))


def test_an_existing_row_ends_no_transaction() -> None:
    statement = postgresql_inserts.on_conflict_do_nothing(NOTES)

    assert str(statement).endswith("ON CONFLICT DO NOTHING")
