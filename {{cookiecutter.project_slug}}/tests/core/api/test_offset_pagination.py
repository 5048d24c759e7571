"""Pages with a total, in a domain that only this test has."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from marshmallow import fields
from sqlalchemy import select

from app.core import schemas
from app.core.api import Blueprint, document, json_response, offset_pagination
from app.core.database import reading, writing
from conftest import MakeApp, body
from tests.database import CountQueries
from tests.toy_tables import WHEN, Note

URL = "/memos"
MAXIMUM = offset_pagination.MAXIMUM_OFFSET
ROWS = select(Note.text).where(Note.copies > 0).order_by(Note.created_at, Note.id)


class MemoSchema(schemas.Schema):
    text = fields.String(required=True)


@dataclass(frozen=True, slots=True)
class MemoView:
    text: str


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    blueprint = Blueprint("memos", __name__, description="Read memos")

    @blueprint.route("", methods=["GET"])
    @blueprint.arguments(offset_pagination.OffsetQuery, location="query")
    @blueprint.response(200, offset_pagination.offset_page_schema(MemoSchema))
    def list_memos(query: offset_pagination.OffsetArguments) -> Response:
        """Return a page of memos, the oldest first."""
        with reading() as connection:
            page = offset_pagination.read_page(connection, ROWS, **query)
        items = [MemoView(*row) for row in page.items]
        return json_response(offset_pagination.OffsetPage(items, page.total).as_dict())

    app.register_blueprint(blueprint, url_prefix=URL)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(autouse=True)
def memos(app: Flask, toy_tables: None) -> None:
    """Store seven memos, two of a time, and a note that is none of them."""
    del toy_tables
    notes = [
        Note(
            id=UUID(int=number),
            text=f"{number}",
            copies=min(number, 1),
            created_at=WHEN + timedelta(seconds=number // 2),
        )
        for number in range(8)
    ]
    with app.app_context(), writing() as session:
        session.add_all(reversed(notes))


def test_pages_follow_each_other_with_the_total(client: FlaskClient) -> None:
    seen = []
    for offset, size in ((0, 3), (3, 3), (6, 1), (7, 0), (MAXIMUM, 0)):
        page = body(client.get(URL, query_string={"limit": 3, "offset": offset}))
        seen += [item["text"] for item in page["items"]]

        assert (len(page["items"]), page["total"]) == (size, 7)

    assert seen == ["1", "2", "3", "4", "5", "6", "7"]


def test_a_page_begins_at_the_start_and_takes_two_queries(
    client: FlaskClient, count_queries: CountQueries
) -> None:
    with count_queries(2):
        page = body(client.get(URL))

    assert [item["text"] for item in page["items"]] == ["1", "2", "3", "4", "5", "6", "7"]


@pytest.mark.parametrize("query", ["offset=-1", f"offset={MAXIMUM + 1}", "limit=0", "limit=101"])
def test_what_would_be_too_costly_is_refused(client: FlaskClient, query: str) -> None:
    response = client.get(f"{URL}?{query}")

    assert response.status_code == 422
    [error] = body(response)["errors"]
    assert error["pointer"] == f"#/{query.partition('=')[0]}"


def test_the_document_states_the_page_and_the_largest_offset(app: Flask) -> None:
    described = document(app)
    parameters = described["paths"][URL]["get"]["parameters"]
    [offset] = [each["schema"] for each in parameters if each["name"] == "offset"]

    assert (offset["minimum"], offset["maximum"], offset["default"]) == (0, MAXIMUM, 0)
    page = described["components"]["schemas"]["MemoOffsetPage"]
    assert set(page["required"]) == {"items", "total"}
