"""A domain whose rows have integer ids: its list, its routes and its conditional requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from marshmallow import fields
from sqlalchemy import select

from app.core import schemas
from app.core.api import (
    Blueprint,
    conditional_requests,
    document,
    json_response,
    pagination,
    path_integers,
)
from app.core.database import insert_if_absent, reading, writing
from app.core.errors import NotFound
from conftest import MakeApp, body
from tests import routes
from tests.database import CountQueries
from tests.toy_tables import WHEN, Ticket

pytestmark = pytest.mark.usefixtures("toy_tables")

URL = "/tickets"
ROWS = select(Ticket.id, Ticket.text, Ticket.created_at)


@dataclass(frozen=True, slots=True)
class TicketView:
    id: int
    text: str
    created_at: datetime


class TicketSchema(schemas.Schema):
    id = schemas.Integer(required=True)
    text = fields.String(required=True)
    created_at = schemas.Timestamp(required=True)


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    blueprint = Blueprint("tickets", __name__, description="Read tickets")

    @blueprint.route("", methods=["GET"])
    @blueprint.arguments(pagination.PageQuery, location="query")
    @blueprint.response(200, pagination.page_schema(TicketSchema))
    def list_tickets(query: pagination.PageArguments) -> Response:
        """Return a page of tickets."""
        limit, after = query["limit"], query.get("cursor")
        page = pagination.select_page(ROWS, Ticket.created_at, Ticket.id, limit + 1, after)
        with reading() as connection:
            found = [TicketView(*row) for row in connection.execute(page)]
        return json_response(pagination.Page.of(found, limit).as_dict())

    @blueprint.route("/<int:ticket_id>", methods=["GET"])
    @blueprint.arguments(conditional_requests.ReadConditions, location="headers")
    @blueprint.response(200, TicketSchema, headers=conditional_requests.ETAG)
    @blueprint.alt_response(304, description="Current", headers=conditional_requests.ETAG)
    @blueprint.problems(404, 412)
    def get_ticket(_headers: object, ticket_id: int) -> Response:
        """Return one ticket."""
        with reading() as connection:
            row = connection.execute(ROWS.where(Ticket.id == ticket_id)).one_or_none()
        if row is None:
            raise NotFound
        return conditional_requests.respond_conditionally(
            conditional_requests.Representation(1, json_response(TicketView(*row)).get_data())
        )

    app.register_blueprint(blueprint, url_prefix=URL)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def tickets(app: Flask) -> list[int]:
    """Store five tickets, two of a time; return their ids, the newest first."""
    stored = [
        Ticket(text=f"number {number}", created_at=WHEN + timedelta(seconds=number // 2))
        for number in range(5)
    ]
    with app.app_context(), writing() as session:
        session.add_all(stored)
        session.flush()
        return [each.id for each in reversed(stored)]


def pages(client: FlaskClient, limit: int) -> Iterator[dict[str, Any]]:
    cursor: dict[str, str] = {}
    while True:
        page = body(client.get(URL, query_string={"limit": limit, **cursor}))
        yield page
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def test_the_database_numbers_rows_and_pages_follow_each_other(
    client: FlaskClient, tickets: list[int], count_queries: CountQueries
) -> None:
    with count_queries(3):
        found = list(pages(client, 2))

    assert [[item["id"] for item in page["items"]] for page in found] == [
        tickets[:2],
        tickets[2:4],
        tickets[4:],
    ]
    assert tickets == sorted(tickets, reverse=True)


def test_one_is_found_by_its_id_and_not_sent_again(client: FlaskClient, tickets: list[int]) -> None:
    url = f"{URL}/{tickets[0]}"
    assert body(client.get(url))["id"] == tickets[0]
    assert client.get(url, headers={"If-None-Match": '"1"'}).status_code == 304
    assert client.get(url, headers={"If-Match": '"2"'}).status_code == 412


@pytest.mark.attack
def test_no_id_is_the_servers_fault(client: FlaskClient, subtests: pytest.Subtests) -> None:
    for number in (0, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**19, "9" * 5_000, -1, "1.0", "٣"):
        with subtests.test(str(number)[:40]):
            response = client.get(f"{URL}/{number}")

            assert (response.status_code, body(response)["code"]) == (404, "not_found")


def test_the_document_states_the_range_of_an_id(app: Flask) -> None:
    path = document(app)["paths"]["/tickets/{ticket_id}"]

    assert path["parameters"][0]["schema"] == {
        "type": "integer",
        "format": "int64",
        "minimum": 0,
        "maximum": path_integers.MAX_ID,
    }


def test_a_route_is_filled_in_for_tests_of_all_routes(client: FlaskClient) -> None:
    assert client.get(routes.filled_in(f"{URL}/<int:ticket_id>")).status_code == 404


def test_a_row_is_inserted_unless_its_text_is_there(app: Flask) -> None:
    with app.app_context(), writing() as session:
        assert insert_if_absent(session, Ticket(text="once"))
        assert not insert_if_absent(session, Ticket(text="once"))
        assert insert_if_absent(session, Ticket(text="twice"))
