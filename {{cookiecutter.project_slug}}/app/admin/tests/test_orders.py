from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.api import PREFIX
from conftest import LogLines, authorization, body, user_id
from tests.database import CountQueries

ORDERS = f"{PREFIX}/orders"
ADMIN = f"{PREFIX}/admin"
BASKET = {
    "currency": "EUR",
    "lines": [{"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450}],
}


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    """Return a client of an administrator."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = authorization(app, "admin")
    return client


def found(client: FlaskClient, path: str, **query: object) -> list[dict[str, Any]]:
    response = client.get(f"{ADMIN}/{path}", query_string=query).json
    assert response is not None
    items: list[dict[str, Any]] = response["items"]
    return items


def place(client: FlaskClient) -> dict[str, Any]:
    return body(client.post(ORDERS, json=BASKET))


def test_an_administrator_sees_the_orders_of_everybody_and_of_one_owner(
    app: Flask, admin: FlaskClient, client: FlaskClient, count_queries: CountQueries
) -> None:
    of_the_admin, of_a_user = place(admin), place(client)

    # {% if cookiecutter.auth == "oidc" %}
    queries = 2  # the orders and their lines
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    queries = 3  # the administrator, the orders and their lines
    # {% endif %}
    with count_queries(queries):
        assert found(admin, "orders") == [of_a_user, of_the_admin]
    assert found(admin, "orders", owner_id=str(user_id(app))) == [of_a_user]
    assert found(admin, "orders", owner_id=str(uuid4())) == []


def test_a_cancelled_order_leaves_an_entry_with_its_administrator(
    app: Flask, admin: FlaskClient, client: FlaskClient, log_lines: LogLines
) -> None:
    order = place(client)

    cancelled = admin.post(f"{ADMIN}/orders/{order['id']}/cancel")

    assert cancelled.json == {**order, "status": "cancelled", "version": 2}
    (entry,) = found(admin, "audit")
    del entry["id"], entry["created_at"]
    assert entry == {
        "actor_id": str(user_id(app, "admin")),
        "action": "order.cancel",
        "subject_id": order["id"],
    }
    assert [line["action"] for line in log_lines if line["message"] == "audit entry added"] == [
        "order.cancel"
    ]


def test_an_order_that_cannot_be_cancelled_leaves_no_entry(
    admin: FlaskClient, client: FlaskClient
) -> None:
    order = place(client)
    client.post(f"{ORDERS}/{order['id']}/cancel")

    assert admin.post(f"{ADMIN}/orders/{order['id']}/cancel").status_code == 409
    assert admin.post(f"{ADMIN}/orders/{uuid4()}/cancel").status_code == 404
    assert found(admin, "audit") == []
