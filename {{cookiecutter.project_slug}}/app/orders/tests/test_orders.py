from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.core.api import PREFIX
from app.core.database import reading, reading_engine
from app.orders import service
from app.orders.models import Order, OrderStatus
from app.quotes.service import Basket, Line
from conftest import (  # one line where it fits
    MakeApp,
    body,
    # {% if cookiecutter.auth != "none" %}
    user_id,
    # {% endif %}
)

URL = f"{PREFIX}/orders"
LINES: list[Line] = [
    {"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450},
    {"sku": "CUP-1", "quantity": 1, "unit_price_cents": 1200},
]
BASKET: Basket = {"currency": "EUR", "lines": LINES}
KEY = {"Idempotency-Key": "5f0c9a52-6a0e-4f57-9d3f-0c9f2b6f2a7e"}


def count_orders() -> int:
    with reading() as connection:
        return connection.execute(select(func.count()).select_from(Order)).scalar_one()


def test_an_order_is_priced_and_stored(client: FlaskClient) -> None:
    before = datetime.now(UTC)

    response = client.post(URL, json=BASKET)

    assert response.status_code == 201
    order = body(response)
    assert response.headers["Location"] == f"{URL}/{order['id']}"
    assert order["status"] == "placed"
    assert order["currency"] == "EUR"
    assert order["total_cents"] == 2100
    assert order["lines"] == [
        {"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450, "total_cents": 900},
        {"sku": "CUP-1", "quantity": 1, "unit_price_cents": 1200, "total_cents": 1200},
    ]
    created_at = datetime.fromisoformat(order["created_at"])
    assert created_at.utcoffset() == before.utcoffset()
    assert before <= created_at <= datetime.now(UTC)


def test_an_order_is_found_where_its_location_says_below_a_prefix_too(make_app: MakeApp) -> None:
    client = make_app(url_prefix="/shop").test_client()

    location = client.post(f"/shop{URL}", json=BASKET).headers["Location"]

    assert location.startswith(f"/shop{URL}/")
    assert client.get(location).status_code == 200


def test_an_order_is_found_again_to_the_microsecond(client: FlaskClient) -> None:
    placed = client.post(URL, json=BASKET)

    found = client.get(placed.headers["Location"])

    assert found.status_code == 200
    assert found.json == placed.json


def test_the_largest_order_is_stored_exactly(client: FlaskClient) -> None:
    line = {"sku": "GOLD", "quantity": 10_000, "unit_price_cents": 100_000_000}

    placed = client.post(URL, json={"currency": "EUR", "lines": [line] * 100})
    found = client.get(placed.headers["Location"])

    assert body(found)["total_cents"] == 100 * 10_000 * 100_000_000


def test_an_unknown_order_is_not_found(client: FlaskClient) -> None:
    assert client.get(f"{URL}/{uuid4()}").status_code == 404
    assert client.post(f"{URL}/{uuid4()}/cancel").status_code == 404


def test_a_wrong_basket_stores_nothing(app: Flask, client: FlaskClient) -> None:
    response = client.post(URL, json={"currency": "EUR", "lines": []})

    assert response.status_code == 422
    with app.app_context():
        assert count_orders() == 0


def test_an_order_is_cancelled_once(client: FlaskClient) -> None:
    location = client.post(URL, json=BASKET).headers["Location"]

    cancelled = client.post(f"{location}/cancel")
    again = client.post(f"{location}/cancel")

    assert cancelled.status_code == 200
    assert body(cancelled)["status"] == "cancelled"
    assert client.get(location).json == cancelled.json
    assert again.status_code == 409
    assert body(again)["code"] == "order_already_cancelled"


@pytest.mark.attack
def test_a_page_of_another_site_cancels_no_order(client: FlaskClient) -> None:
    location = client.post(URL, json=BASKET).headers["Location"]

    response = client.post(f"{location}/cancel", headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert body(client.get(location))["status"] != "cancelled"


def test_of_two_changes_at_once_the_second_is_a_conflict(make_app: MakeApp) -> None:
    app = make_app()
    client = app.test_client()

    @app.post("/slow-cancel/<uuid:order_id>")
    def slow_cancel(order_id: UUID) -> str:
        with Session(reading_engine.of(app)) as slow:
            order = slow.get_one(Order, order_id)
            # A concurrent request commits first.
            service.cancel(  # one line where it fits
                order_id,
                # {% if cookiecutter.auth != "none" %}
                user_id(app),
                # {% endif %}
            )
            order.status = OrderStatus.CANCELLED
            return slow.scalars(select(Order.currency)).one()  # autoflush sends the change first

    order_id = body(client.post(URL, json=BASKET))["id"]
    response = client.post(f"/slow-cancel/{order_id}")

    assert response.status_code == 409
    assert body(response)["code"] == "conflict"


def test_the_same_key_and_basket_give_the_same_order(app: Flask, client: FlaskClient) -> None:
    first = client.post(URL, json=BASKET, headers=KEY)
    again = client.post(URL, json=BASKET, headers=KEY)

    assert again.status_code == 201
    assert again.json == first.json
    assert again.headers["Location"] == first.headers["Location"]
    with app.app_context():
        assert count_orders() == 1


def test_a_key_means_the_same_in_quotes_and_the_basket_in_any_order(client: FlaskClient) -> None:
    first = client.post(URL, json=BASKET, headers=KEY)

    turned = {"lines": [dict(reversed(line.items())) for line in LINES], "currency": "EUR"}
    quoted = {"Idempotency-Key": f'"{KEY["Idempotency-Key"]}"'}
    again = client.post(URL, json=turned, headers=quoted)

    assert again.json == first.json


def test_the_same_key_with_another_basket_is_refused(app: Flask, client: FlaskClient) -> None:
    client.post(URL, json=BASKET, headers=KEY)

    response = client.post(URL, json={**BASKET, "currency": "CHF"}, headers=KEY)

    assert response.status_code == 422
    assert body(response)["code"] == "idempotency_key_reused"
    with app.app_context():
        assert count_orders() == 1


def test_keys_that_differ_in_case_are_two_keys(client: FlaskClient) -> None:
    upper = client.post(URL, json=BASKET, headers={"Idempotency-Key": "ORDER-0001"})
    lower = client.post(URL, json=BASKET, headers={"Idempotency-Key": "order-0001"})

    assert body(upper)["id"] != body(lower)["id"]


def test_without_a_key_each_request_is_an_order(client: FlaskClient) -> None:
    first = client.post(URL, json=BASKET)
    second = client.post(URL, json=BASKET)

    assert body(first)["id"] != body(second)["id"]


def test_a_malformed_key_is_refused(client: FlaskClient) -> None:
    for key in ("short", "x" * 129, "with a space", '"quoted"twice"', "Schlüssel-1"):
        response = client.post(URL, json=BASKET, headers={"Idempotency-Key": key})

        assert response.status_code == 422, key
        (error,) = body(response)["errors"]
        assert (error["in"], error["pointer"]) == ("headers", "#/Idempotency-Key"), key
        assert key not in error["detail"]


def test_requests_at_the_same_time_with_one_key_make_one_order(app: Flask) -> None:
    barrier = Barrier(4)

    def send(_: int) -> TestResponse:
        barrier.wait()
        return app.test_client().post(URL, json=BASKET, headers=KEY)

    with ThreadPoolExecutor(4) as threads:
        responses = list(threads.map(send, range(4)))

    assert [response.status_code for response in responses] == [201] * 4
    assert len({body(response)["id"] for response in responses}) == 1
    with app.app_context():
        assert count_orders() == 1


@pytest.mark.parametrize("key", [None, KEY["Idempotency-Key"]])
def test_a_row_that_the_database_refuses_is_not_taken_for_a_repetition(
    app: Flask, key: str | None
) -> None:
    lines: list[Line] = [{"sku": "TEA-100", "quantity": 0, "unit_price_cents": 450}]

    with app.app_context(), pytest.raises(DatabaseError):
        service.place(  # one line where it fits
            {"currency": "EUR", "lines": lines},
            key,
            # {% if cookiecutter.auth != "none" %}
            owner_id=user_id(app),
            # {% endif %}
        )

    with app.app_context():
        assert count_orders() == 0
