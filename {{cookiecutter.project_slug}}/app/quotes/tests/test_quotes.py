from flask.testing import FlaskClient

from app.core.api import PREFIX

LINE = {"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450}


def test_a_quote_prices_each_line_and_the_whole(client: FlaskClient) -> None:
    lines = [LINE, {"sku": "CUP-1", "quantity": 1, "unit_price_cents": 1200}]

    response = client.post(f"{PREFIX}/quotes", json={"currency": "EUR", "lines": lines})

    assert response.status_code == 200
    assert response.json == {
        "currency": "EUR",
        "lines": [
            {"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450, "total_cents": 900},
            {"sku": "CUP-1", "quantity": 1, "unit_price_cents": 1200, "total_cents": 1200},
        ],
        "total_cents": 2100,
    }


def test_every_wrong_value_is_named_at_once(client: FlaskClient) -> None:
    line = {"sku": "no spaces", "quantity": 0, "unit_price_cents": 1.5, "colour": "red"}

    response = client.post(f"{PREFIX}/quotes", json={"currency": "euro", "lines": [line]})

    assert response.status_code == 422
    assert response.json is not None
    assert response.json["code"] == "validation_failed"
    assert {(error["in"], error["pointer"]) for error in response.json["errors"]} == {
        ("body", "#/currency"),
        ("body", "#/lines/0"),
        ("body", "#/lines/0/quantity"),
        ("body", "#/lines/0/sku"),
        ("body", "#/lines/0/unit_price_cents"),
    }


def test_the_largest_basket_is_summed_exactly(client: FlaskClient) -> None:
    line = {"sku": "GOLD", "quantity": 10_000, "unit_price_cents": 100_000_000}

    response = client.post(f"{PREFIX}/quotes", json={"currency": "EUR", "lines": [line] * 100})

    assert response.json is not None
    assert response.json["total_cents"] == 100 * 10_000 * 100_000_000


def test_a_sku_is_a_plain_word(client: FlaskClient) -> None:
    for sku in ("TEA\n", "-TEA", "T" * 65, "té"):
        lines = [{**LINE, "sku": sku}]

        response = client.post(f"{PREFIX}/quotes", json={"currency": "EUR", "lines": lines})

        assert response.status_code == 422, sku


def test_an_empty_basket_is_refused(client: FlaskClient) -> None:
    response = client.post(f"{PREFIX}/quotes", json={"currency": "EUR", "lines": []})

    assert response.status_code == 422
