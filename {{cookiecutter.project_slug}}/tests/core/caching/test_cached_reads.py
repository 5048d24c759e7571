"""Reads through the cache, and their invalidation by transactions."""

from uuid import UUID

import orjson
import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.core import caching, telemetry
from app.core.api.conditional_requests import Representation
from app.core.database import reading, writing
from conftest import LogLines, MakeApp
from tests.toy_tables import Note

pytestmark = pytest.mark.usefixtures("toy_tables")


def key(note_id: UUID) -> str:
    return f"notes/{note_id}"


@caching.cached(key, caching.schema_digest())
def read(note_id: UUID) -> Representation:
    with reading() as connection:
        copies = connection.execute(Note.__table__.select()).one().copies
    return Representation(copies, orjson.dumps({"id": note_id, "copies": copies}))


@pytest.fixture
def note_id(app: Flask) -> UUID:
    """Store a note, read it once, and return its id."""
    note = Note()
    with app.app_context(), writing() as session:
        session.add(note)
    with app.app_context():
        assert read(note.id).version == 0
    return note.id


def change(session: Session, note_id: UUID) -> None:
    note = session.get(Note, note_id)
    assert note
    note.copies += 1
    session.flush()


def test_a_change_that_names_its_key_shows_in_the_next_read(app: Flask, note_id: UUID) -> None:
    with app.app_context():
        with writing() as session:
            change(session, note_id)
            caching.invalidate_after_commit(session, key(note_id))

        assert read(note_id).version == 1


def test_a_change_that_names_no_key_shows_when_the_entry_has_expired(
    app: Flask, note_id: UUID
) -> None:
    with app.app_context():
        with writing() as session:
            change(session, note_id)

        assert read(note_id).version == 0


def fail_after_naming(key_: str) -> None:
    with writing() as session:
        caching.invalidate_after_commit(session, key_)
        raise RuntimeError


def test_a_rollback_invalidates_too_because_its_commit_may_have_happened(
    app: Flask, note_id: UUID
) -> None:
    with app.app_context():
        with writing() as session:
            change(session, note_id)

        with pytest.raises(RuntimeError):
            fail_after_naming(key(note_id))

        assert read(note_id).version == 1


def test_the_line_of_a_request_has_the_outcome_of_its_read(
    make_app: MakeApp, note_id: UUID, log_lines: LogLines
) -> None:
    app = make_app()
    app.add_url_rule("/cached", view_func=lambda: Response(read(note_id).json))
    app.test_client_class = FlaskClient  # the route is not in the API document

    for _ in range(2):
        app.test_client().get("/cached", buffered=True)

    outcomes = [line[telemetry.CACHE] for line in log_lines if line["logger"] == "app.access"]
    assert outcomes == ["miss", "hit"]
