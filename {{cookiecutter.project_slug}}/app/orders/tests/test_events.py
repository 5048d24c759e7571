import re
from uuid import uuid4

from flask.testing import FlaskClient

from app.orders.tests.test_orders import BASKET, URL
from conftest import MakeApp


def _placed(client: FlaskClient) -> float:
    found = re.search(r"^orders_placed_total (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def test_an_order_that_is_placed_again_is_counted_once(make_app: MakeApp) -> None:
    client = make_app().test_client()
    assert _placed(client) == 0

    for _ in range(2):
        client.post(URL, json=BASKET, headers={"Idempotency-Key": str(uuid4())})
    same = {"Idempotency-Key": str(uuid4())}
    for _ in range(3):
        assert client.post(URL, json=BASKET, headers=same).status_code == 201
    client.post(URL, json={})

    assert _placed(client) == 3
