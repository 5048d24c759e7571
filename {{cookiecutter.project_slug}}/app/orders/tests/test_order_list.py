from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert

from app.core import database
from app.core.api import PREFIX, pagination
from app.core.api.pagination import Position
from app.orders import repository
from app.orders.models import Order, OrderLine, OrderStatus
from conftest import (  # one line where it fits
    body,
    # {% if cookiecutter.auth != "none" %}
    user_id,
    # {% endif %}
)
from tests.database import CountQueries, Plan

URL = f"{PREFIX}/orders"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORDER = {"currency": "EUR", "total_cents": 900, "version": 1, "status": OrderStatus.PLACED}


def store_orders(app: Flask, count: int, *, apart: timedelta = timedelta(seconds=1)) -> list[str]:
    """Store orders of two lines each and return their ids, newest first."""
    ids = [uuid4() for _ in range(count)]
    order = {
        **ORDER,
        # {% if cookiecutter.auth != "none" %}
        "owner_id": user_id(app),
        # {% endif %}
    }
    line = {"quantity": 1, "unit_price_cents": 450, "total_cents": 450}
    with app.app_context(), database.writing() as session:
        session.execute(
            insert(Order),
            [
                {**order, "id": order_id, "created_at": NOON + number * apart}
                for number, order_id in enumerate(ids)
            ],
        )
        session.execute(
            insert(OrderLine),
            [
                {**line, "order_id": order_id, "position": position, "sku": f"TEA-{position}"}
                for order_id in ids
                for position in (1, 2)
            ],
        )
    return [str(order_id) for order_id in reversed(ids)]


def ids(page: dict[str, Any]) -> list[str]:
    return [order["id"] for order in page["items"]]


def test_no_orders_are_an_empty_page(client: FlaskClient) -> None:
    assert body(client.get(URL)) == {"items": [], "next_cursor": None}


def test_an_order_looks_the_same_in_the_list_and_alone(app: Flask, client: FlaskClient) -> None:
    (order_id,) = store_orders(app, 1)

    (listed,) = body(client.get(URL))["items"]

    assert listed == body(client.get(f"{URL}/{order_id}"))
    assert [line["sku"] for line in listed["lines"]] == ["TEA-1", "TEA-2"]


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(microseconds=1), timedelta(days=1)])
def test_pages_follow_each_other_without_gap_or_repetition(
    app: Flask, client: FlaskClient, apart: timedelta
) -> None:
    stored = store_orders(app, 7, apart=apart)

    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 3}
    while query:
        page = body(client.get(URL, query_string=query))
        seen += page["items"]
        query = {"limit": 3, "cursor": page["next_cursor"]} if page["next_cursor"] else {}

    assert sorted(order["id"] for order in seen) == sorted(stored)
    times = [order["created_at"] for order in seen]
    assert times == sorted(times, reverse=True)


def test_a_page_that_ends_with_the_last_order_is_the_last_page(
    app: Flask, client: FlaskClient
) -> None:
    store_orders(app, 3)

    assert body(client.get(URL, query_string={"limit": 3}))["next_cursor"] is None


def test_an_order_placed_meanwhile_does_not_move_the_next_page(
    app: Flask, client: FlaskClient
) -> None:
    stored = store_orders(app, 4)
    first = body(client.get(URL, query_string={"limit": 2}))

    client.post(
        URL,
        json={
            "currency": "EUR",
            "lines": [{"sku": "NEW", "quantity": 1, "unit_price_cents": 1}],
        },
    )
    second = body(client.get(URL, query_string={"limit": 2, "cursor": first["next_cursor"]}))

    assert ids(second) == stored[2:]


def test_a_page_has_20_orders_unless_the_request_has_another_limit(
    app: Flask, client: FlaskClient
) -> None:
    store_orders(app, 21)

    assert len(body(client.get(URL))["items"]) == 20
    assert len(body(client.get(URL, query_string={"limit": 100}))["items"]) == 21


@pytest.mark.parametrize("stored", [1, 100])
def test_a_page_takes_two_queries_however_many_orders_it_has(
    app: Flask, client: FlaskClient, count_queries: CountQueries, stored: int
) -> None:
    store_orders(app, stored)

    with count_queries(2):
        page = body(client.get(URL, query_string={"limit": 100}))

    assert len(page["items"]) == stored


def test_each_page_is_read_from_the_index_in_its_order(app: Flask, plan: Plan) -> None:
    # With few rows, database servers prefer a sort to the index.
    rows = 500 if database.reading_engine.of(app).dialect.name == "sqlite" else 5_000
    with app.app_context(), database.writing() as session:
        session.execute(
            insert(Order),
            [
                {
                    **ORDER,
                    "id": uuid4(),
                    # Not in insertion order, because skipping rows would be cheap then.
                    "created_at": NOON + timedelta(seconds=number * 2_741 % rows),
                    # {% if cookiecutter.auth != "none" %}
                    "owner_id": UUID(int=number % 10),
                    # {% endif %}
                }
                for number in range(rows)
            ],
        )

    for after in (None, Position(NOON + timedelta(seconds=rows // 2), uuid4())):
        query = repository.page(21, after)
        query_plan = plan(query).lower()
        assert "ix_orders_created_at_id" in query_plan
        assert "sort" not in query_plan
        assert "temp b-tree" not in query_plan
        # {% if cookiecutter.auth != "none" %}
        query_plan = plan(repository.owned(query, UUID(int=1))).lower()
        assert "ix_orders_owner_id_created_at_id" in query_plan
        assert "sort" not in query_plan
        assert "temp b-tree" not in query_plan
        # {% endif %}


def test_a_wrong_query_is_refused_and_pointed_at(client: FlaskClient) -> None:
    for query, pointer in (
        ({"limit": "0"}, "#/limit"),
        ({"limit": "101"}, "#/limit"),
        ({"limit": "ten"}, "#/limit"),
        ({"limit": "9" * 5_000}, "#/limit"),
        ({"cursor": ""}, "#/cursor"),
        ({"cursor": "x"}, "#/cursor"),
        ({"cursor": "ümlaut"}, "#/cursor"),
        ({"cursor": "A" * 48}, "#/cursor"),
        ({"cursor": "A" * 10_000}, "#/cursor"),
        ({"page": "2"}, "#"),
    ):
        response = client.get(URL, query_string=query)

        assert response.status_code == 422, query
        assert response.json is not None
        (error,) = response.json["errors"]
        assert (error["in"], error["pointer"]) == ("query", pointer), query


def test_a_cursor_with_any_character_changed_is_refused(app: Flask) -> None:
    position = Position(NOON, UUID(int=1))

    with app.test_request_context(URL):
        cursor = pagination.encode_cursor(position)
        assert pagination.decode_cursor(cursor) == position
        for place, character in enumerate(cursor):
            changed = "A" if character != "A" else "B"
            with pytest.raises(ValueError, match="not a cursor"):
                pagination.decode_cursor(cursor[:place] + changed + cursor[place + 1 :])


def test_a_cursor_fits_only_its_own_list_of_its_own_service(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = Position(NOON, UUID(int=1))
    with app.test_request_context(URL):
        cursor = pagination.encode_cursor(position)

    with app.test_request_context("/health/live"), pytest.raises(ValueError, match="not a cursor"):
        pagination.decode_cursor(cursor)
    monkeypatch.setattr(app, "secret_key", "another service's")
    with app.test_request_context(URL), pytest.raises(ValueError, match="not a cursor"):
        pagination.decode_cursor(cursor)
