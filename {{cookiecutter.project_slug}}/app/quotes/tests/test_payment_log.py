from uuid import uuid4

from flask.testing import FlaskClient

from app.webhooks.tests import deliver, event, signed
from conftest import LogLines


def test_a_payment_is_logged(client: FlaskClient, log_lines: LogLines) -> None:
    order_id = str(uuid4())
    body = event("payment.succeeded", order_id=order_id, amount_cents=1, currency="EUR")

    deliver(client, body, signed(body, delivery_id := uuid4().hex))

    (line,) = [line for line in log_lines if line["message"] == "payment received"]
    assert (line["webhook_id"], line["order_id"]) == (delivery_id, order_id)
