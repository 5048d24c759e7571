"""Values that a database cannot store, in a domain that only this test has."""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Response
from flask.testing import FlaskClient
from marshmallow import fields
from sqlalchemy import (  # one line where it fits
    JSON,
    Column,
    Date,
    Float,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    # {% if cookiecutter.database != "sqlite" %}
    event,
    # {% endif %}
    insert,
    select,
)

from app.core import schemas
from app.core.api import PREFIX, Blueprint, json_response
from app.core.database import (  # one line where it fits
    UTCDateTime,
    db,
    reading,
    # {% if cookiecutter.database != "sqlite" %}
    unstorable,
    # {% endif %}
    writing,
)
from conftest import LogLines, MakeApp, body

NOTES = Table(
    "toy_notes",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("text", Text),
    Column("title", String(20), index=True),
    Column("rank", Integer),
    Column("small", SmallInteger),
    Column("price", Numeric(10, 2)),
    Column("ratio", Float),
    Column("day", Date),
    Column("moment", UTCDateTime),
    Column("details", JSON),
)
Index("ix_toy_notes_text", NOTES.c.text).ddl_if(dialect="postgresql")
LONG = secrets.token_hex(10_000)  # random, so even compressed it exceeds an index page
BEFORE_TIME = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))


class NoteSchema(schemas.Schema):
    """A schema without ranges and lengths."""

    text = fields.String()
    title = fields.String()
    rank = fields.Integer()
    small = fields.Integer()
    price = fields.Decimal(allow_nan=True)
    ratio = fields.Float(allow_nan=True)
    day = fields.Date()
    moment = fields.AwareDateTime(default_timezone=UTC)
    details = fields.Dict()


class SearchSchema(schemas.Schema):
    text = fields.String()
    rank = fields.Integer()


class CountSchema(schemas.Schema):
    count = fields.Integer(required=True)


def count(**values: object) -> Response:
    """Return the number of notes with these values."""
    with reading() as connection:
        rows = connection.execute(select(NOTES).filter_by(**values)).all()
    return json_response({"count": len(rows)})


@pytest.fixture(scope="module")
def notes(make_app: MakeApp) -> Iterator[FlaskClient]:
    """Return a client of an application with a domain of its own, and a table for it."""
    app = make_app()
    blueprint = Blueprint("notes", __name__, description="Keep notes")

    @blueprint.route("", methods=["POST"])
    @blueprint.arguments(NoteSchema)
    @blueprint.response(204)
    def write_note(note: dict[str, Any]) -> Response:
        """Store a note."""
        with writing() as session:
            session.execute(insert(NOTES).values(**note))
        return Response(status=204)

    @blueprint.route("", methods=["GET"])
    @blueprint.arguments(SearchSchema, location="query")
    @blueprint.response(200, CountSchema)
    def list_notes(query: dict[str, Any]) -> Response:
        """Return the number of notes with these values."""
        return count(**query)

    @blueprint.route("/<int:rank>", methods=["GET"])
    @blueprint.response(200, CountSchema)
    @blueprint.problems(422)
    def get_rank(rank: int) -> Response:
        """Return the number of notes with this rank."""
        return count(rank=rank)

    app.register_blueprint(blueprint, url_prefix=f"{PREFIX}/notes")
    with app.app_context():
        NOTES.create(db.engine)
        db.engine.dispose()
    yield app.test_client()
    with app.app_context():
        NOTES.drop(db.engine)
        db.engine.dispose()


@pytest.mark.attack
def test_no_value_in_a_body_is_the_servers_fault(
    notes: FlaskClient, subtests: pytest.Subtests
) -> None:
    for payload in (
        {"text": "a\0b"},
        {"text": LONG},
        {"title": "\0"},
        {"title": "é" * 100_000},
        {"details": {"deep": [{"er": "a\0b"}]}},
        {"details": {"a\0b": 1}},
        {"rank": 2**31},
        {"rank": -(2**31) - 1},
        {"rank": 2**63},
        {"rank": -(2**70)},
        {"rank": 10**300},
        {"small": 2**15},
        {"price": "1e9"},
        {"price": "1e400"},
        {"price": "1E+1000000000"},
        {"price": "1E-1000000000"},
        {"price": "NaN"},
        {"price": "-Infinity"},
        {"ratio": "NaN"},
        {"ratio": "1e400"},
        {"day": "0001-01-01"},
        {"day": "9999-12-31"},
        {"moment": "0001-01-01T00:00:00+14:00"},
        {"moment": "9999-12-31T23:59:59-14:00"},
        {"moment": "9999-12-31T23:59:59.999999Z"},
    ):
        with subtests.test(str(payload)[:40]):
            # Python's json module, because orjson cannot write such integers.
            text = json.dumps(payload)
            response = notes.post(f"{PREFIX}/notes", data=text, content_type="application/json")

            assert response.status_code in {204, 422}
            assert response.status_code == 204 or body(response)["code"] in {
                "unstorable_value",
                "validation_failed",
            }


@pytest.mark.attack
def test_no_number_in_a_url_is_the_servers_fault(
    notes: FlaskClient, subtests: pytest.Subtests
) -> None:
    for path in (
        f"{PREFIX}/notes?rank={2**31}",
        f"{PREFIX}/notes?rank={2**64}",
        f"{PREFIX}/notes?rank={-(10**4_000)}",
        f"{PREFIX}/notes/{2**31}",
        f"{PREFIX}/notes/{2**64}",
        f"{PREFIX}/notes/{'9' * 5_000}",
    ):
        with subtests.test(path[:40]):
            assert notes.get(path).status_code < 500


@pytest.mark.attack
def test_a_value_that_the_database_refuses_is_reported_without_it(
    notes: FlaskClient, log_lines: LogLines
) -> None:
    response = notes.post(f"{PREFIX}/notes", json={"moment": BEFORE_TIME.isoformat()})

    assert response.status_code == 422
    assert body(response)["code"] == "unstorable_value"
    rejections = [line for line in log_lines if line["message"] == "database rejected value"]
    assert [line["error.type"] for line in rejections] == ["OverflowError"]
    assert "0001-01-01" not in str(rejections)
    assert "0001-01-01" not in response.text


# {% if cookiecutter.database != "sqlite" %}
# The error messages of each server. SQLite raises none of them.
REFUSED: dict[str, dict[str, object]] = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": {
        "rank": 2**31,
        "small": 2**15,
        "price": "1e9",
        "title": "é" * 21,
        "text": LONG,
    },
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": {
        "rank": 2**31,
        "small": 2**15,
        "price": "1e9",
        "title": "é" * 21,
    },
    # {% endif %}
}


def test_each_server_refuses_what_its_columns_do_not_hold(
    notes: FlaskClient, subtests: pytest.Subtests
) -> None:
    with notes.application.app_context():
        server = db.engine.dialect.name
    if server == "sqlite":
        pytest.skip("SQLite has no such limits: set TEST_DATABASE_URL to a server")
    for name, value in REFUSED[server].items():
        with subtests.test(name):
            response = notes.post(f"{PREFIX}/notes", json={name: value})

            assert response.status_code == 422
            assert body(response)["code"] == "unstorable_value"


class Refused(Exception):  # noqa: N818  stands for a driver's own
    """An error of the server, with a driver's code."""

    def __init__(self, code: object) -> None:
        super().__init__(code)
        # PyMySQL has both: its number, and a less specific SQLSTATE.
        self.sqlstate = code if isinstance(code, str) else "HY000"


def test_database_codes_of_other_exception_classes_are_recognised(
    notes: FlaskClient, subtests: pytest.Subtests
) -> None:
    for code in unstorable.CODES:
        error = Refused(code)

        def refuse(*_arguments: object, error: Exception = error) -> None:
            raise error

        with subtests.test(code=code), notes.application.test_request_context():
            event.listen(db.engine, "do_execute", refuse)
            try:
                with pytest.raises(unstorable.UnstorableValue), writing() as session:
                    session.execute(select(1))
            finally:
                event.remove(db.engine, "do_execute", refuse)


# {% endif %}
def test_outside_of_a_request_the_error_stays_what_it_is(notes: FlaskClient) -> None:
    def store() -> None:
        with writing() as session:
            session.execute(insert(NOTES).values(moment=BEFORE_TIME))

    with notes.application.app_context(), pytest.raises(Exception, match="date value"):
        store()
