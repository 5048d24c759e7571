from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.api import PREFIX
from conftest import authorization, body

URL = f"{PREFIX}/orders"
BASKET = {
    "currency": "EUR",
    "lines": [{"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450}],
}


@pytest.fixture
def other(app: Flask) -> FlaskClient:
    """Return a client of another user."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = authorization(app, "other")
    return client


def place(client: FlaskClient, **headers: str) -> dict[str, Any]:
    return body(client.post(URL, json=BASKET, headers=headers))


def test_each_list_holds_the_orders_of_its_owner(client: FlaskClient, other: FlaskClient) -> None:
    mine, theirs = place(client), place(other)

    assert client.get(URL).json == {"items": [mine], "next_cursor": None}
    assert other.get(URL).json == {"items": [theirs], "next_cursor": None}


@pytest.mark.attack
def test_an_order_of_somebody_else_is_like_one_that_never_was(
    client: FlaskClient, other: FlaskClient, subtests: pytest.Subtests
) -> None:
    theirs = place(other)
    for method, path in (("GET", f"{URL}/%s"), ("POST", f"{URL}/%s/cancel")):
        with subtests.test(f"{method} {path}"):
            response = client.open(path % theirs["id"], method=method)
            nothing = client.open(path % uuid4(), method=method)

            assert response.status_code == nothing.status_code == 404
            assert response.json is not None
            assert nothing.json is not None
            assert {**response.json, "request_id": ""} == {**nothing.json, "request_id": ""}
    assert other.get(f"{URL}/{theirs['id']}").json == theirs


@pytest.mark.attack
def test_a_cursor_of_somebody_else_leads_to_no_order_of_theirs(
    client: FlaskClient, other: FlaskClient
) -> None:
    for _ in range(3):
        place(other)
    page = other.get(URL, query_string={"limit": 1}).json
    assert page is not None

    found = client.get(URL, query_string={"limit": 100, "cursor": page["next_cursor"]})

    assert found.json == {"items": [], "next_cursor": None}


@pytest.mark.attack
def test_an_idempotency_key_of_somebody_else_is_another_key(
    client: FlaskClient, other: FlaskClient
) -> None:
    key = {"Idempotency-Key": "5f0c9a52-6a0e-4f57-9d3f-0c9f2b6f2a7e"}

    mine, theirs = place(client, **key), place(other, **key)

    assert mine["id"] != theirs["id"]
    assert place(client, **key) == mine
    assert place(other, **key) == theirs


@pytest.mark.attack
def test_nobody_places_an_order_in_the_name_of_somebody_else(client: FlaskClient) -> None:
    for name in ("owner_id", "id", "status", "total_cents", "version"):
        response = client.post(URL, json={**BASKET, name: str(uuid4())})

        assert response.status_code == 422, name
    assert client.get(URL).json == {"items": [], "next_cursor": None}
