from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.webhooks import payment_log
from app.webhooks.tests import deliver, payment, signed
from conftest import LogLines


# {% if cookiecutter.database != "none" %}
@pytest.fixture(autouse=True)
def _no_order_to_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.webhooks.service.payment_succeeded", lambda *_: None)


# {% endif %}
@pytest.mark.attack
def test_a_delivery_that_is_replayed_counts_once(app: Flask, log_lines: LogLines) -> None:
    delivery_id, order_id = f"msg_{uuid4().hex}", uuid4()
    for _ in range(3):
        with app.app_context():
            payment_log.payment_succeeded(
                delivery_id, {"order_id": order_id, "amount_cents": 1, "currency": "EUR"}
            )

    messages = [line["message"] for line in log_lines]
    assert messages == ["payment received", *["webhook redelivered"] * 2]
    assert log_lines[0]["order_id"] == str(order_id)


def test_a_repeated_delivery_is_acknowledged(client: FlaskClient) -> None:
    body = payment()
    headers = signed(body)

    assert [deliver(client, body, headers).status_code for _ in range(2)] == [204, 204]
