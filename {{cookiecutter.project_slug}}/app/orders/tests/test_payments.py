from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.core.api import PREFIX
from app.core.database import reading
from app.webhooks.models import Delivery
from app.webhooks.tests import deliver, event, signed
from app.webhooks.tests.test_webhooks import forgeries
from conftest import LogLines

ORDERS = f"{PREFIX}/orders"
BASKET = {
    "currency": "EUR",
    "lines": [{"sku": "TEA-100", "quantity": 2, "unit_price_cents": 1050}],
}


@pytest.fixture
def order(client: FlaskClient) -> str:
    """Place an order of 21.00 EUR and return its id."""
    placed = client.post(ORDERS, json=BASKET).json
    assert placed is not None
    assert placed["paid_at"] is None
    return str(placed["id"])


def payment(**data: object) -> bytes:
    """Return the body of a payment event, with these values instead of the defaults."""
    usual = {"order_id": str(uuid4()), "amount_cents": 2100, "currency": "EUR"}
    return event("payment.succeeded", **{**usual, **data})


def get_order(client: FlaskClient, order: str) -> dict[str, Any]:
    found = client.get(f"{ORDERS}/{order}").json
    assert isinstance(found, dict)
    return found


def deliveries(app: Flask) -> int:
    with app.app_context(), reading() as connection:
        return connection.execute(select(func.count()).select_from(Delivery)).scalar_one()


def test_a_payment_marks_its_order_as_paid(client: FlaskClient, order: str) -> None:
    before = datetime.now(UTC)
    # A cached answer must not outlive the payment.
    assert get_order(client, order)["paid_at"] is None

    response = deliver(client, payment(order_id=order, new_field="of the sender"))

    assert (response.status_code, response.data) == (204, b"")
    found = get_order(client, order)
    assert before <= datetime.fromisoformat(found["paid_at"]) <= datetime.now(UTC)
    assert found["status"] == "placed"
    listed = client.get(ORDERS).json
    assert listed is not None
    assert listed["items"] == [found]


@pytest.mark.attack
def test_no_forged_delivery_pays_an_order(app: Flask, client: FlaskClient, order: str) -> None:
    for name, body, headers in forgeries(payment(order_id=order)):
        assert deliver(client, body, headers).status_code == 403, name

    assert get_order(client, order)["paid_at"] is None
    assert deliveries(app) == 0


@pytest.mark.attack
def test_a_payment_of_another_amount_changes_nothing(
    app: Flask, client: FlaskClient, order: str, log_lines: LogLines
) -> None:
    for wrong in (
        {"amount_cents": 2099},
        {"amount_cents": 2101},
        {"currency": "USD"},
        {"order_id": str(uuid4())},
    ):
        response = deliver(client, payment(**{"order_id": order, **wrong}))

        assert response.status_code == 422, wrong
        assert response.json is not None
        assert response.json["code"] == "payment_mismatch", wrong
        assert log_lines[-2]["message"] == "payment mismatched", wrong
    assert get_order(client, order)["paid_at"] is None
    assert deliveries(app) == 0  # so a retry is processed again


@pytest.mark.attack
def test_a_replayed_delivery_is_acknowledged_and_changes_nothing(
    app: Flask, client: FlaskClient, order: str
) -> None:
    body = payment(order_id=order)
    headers = signed(body)
    assert deliver(client, body, headers).status_code == 204
    paid = get_order(client, order)

    assert [deliver(client, body, headers).status_code for _ in range(3)] == [204] * 3
    assert get_order(client, order) == paid
    assert deliveries(app) == 1


@pytest.mark.slow
@pytest.mark.parametrize("one_id", [True, False], ids=["one delivery", "one payment"])
def test_of_fifty_deliveries_at_once_one_counts(
    app: Flask, client: FlaskClient, order: str, log_lines: LogLines, *, one_id: bool
) -> None:
    body = payment(order_id=order)
    barrier = Barrier(10)

    def send(number: int) -> TestResponse:
        headers = signed(body, order if one_id else f"{order}:{number}")
        barrier.wait()
        return deliver(app.test_client(), body, headers)

    with ThreadPoolExecutor(10) as threads:
        statuses = [response.status_code for response in threads.map(send, range(50))]

    assert statuses == [204] * 50
    version = get_order(client, order)
    assert version["paid_at"]
    loggers = {"app.orders.payments", "app.webhooks.service"}
    messages = [line["message"] for line in log_lines if line["logger"] in loggers]
    again = "webhook redelivered" if one_id else "order paid twice"
    assert sorted(messages) == [again] * 49
    assert deliveries(app) == (1 if one_id else 50)


def test_a_paid_order_is_not_cancelled_and_a_cancelled_one_can_be_paid(
    client: FlaskClient, order: str, log_lines: LogLines
) -> None:
    deliver(client, payment(order_id=order))
    refused = client.post(f"{ORDERS}/{order}/cancel")
    assert refused.status_code == 409
    assert refused.json is not None
    assert refused.json["code"] == "order_already_paid"

    other = client.post(ORDERS, json=BASKET).json
    assert other is not None
    client.post(f"{ORDERS}/{other['id']}/cancel")
    assert deliver(client, payment(order_id=other["id"])).status_code == 204
    found = get_order(client, other["id"])
    assert found["status"] == "cancelled"
    assert found["paid_at"]
    assert log_lines[-3]["message"] == "cancelled order paid"
