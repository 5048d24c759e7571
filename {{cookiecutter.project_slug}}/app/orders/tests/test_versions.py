from flask.testing import FlaskClient

from app.orders.tests.test_orders import BASKET, URL


def test_an_order_that_is_held_already_is_not_sent_again(client: FlaskClient) -> None:
    placed = client.post(URL, json=BASKET)
    location, etag = placed.headers["Location"], placed.headers["ETag"]

    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get(location, headers={"If-None-Match": held})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == etag
        assert again.headers["Cache-Control"] == "private, no-cache"
    for other in ('"other"', "nonsense", ""):
        assert client.get(location, headers={"If-None-Match": other}).status_code == 200
    assert client.get(location, headers={"If-Match": '"other"'}).status_code == 412


def test_only_what_was_seen_is_cancelled(client: FlaskClient) -> None:
    placed = client.post(URL, json=BASKET)
    location, etag = placed.headers["Location"], placed.headers["ETag"]

    for other in ('"other"', f"W/{etag}", "nonsense", ""):
        refused = client.post(f"{location}/cancel", headers={"If-Match": other})
        assert refused.status_code == 412
        assert refused.json is not None
        assert refused.json["code"] == "precondition_failed"
    cancelled = client.post(f"{location}/cancel", headers={"If-Match": etag})
    assert cancelled.status_code == 200
    assert cancelled.headers["ETag"] == client.get(location).headers["ETag"] != etag
