import pytest
from flask.testing import FlaskClient
from pydantic import ValidationError

from app.settings import Settings
from conftest import MakeApp

SHOP = "https://shop.example"
URL = "/api/v1/quotes"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}


@pytest.fixture(scope="module")
def shop(make_app: MakeApp) -> FlaskClient:
    return make_app(cors_origins=f"{SHOP},http://localhost:3000").test_client()


def test_without_a_list_no_page_is_let_in(client: FlaskClient) -> None:
    answer = client.options(URL, headers={"Origin": SHOP, **PREFLIGHT})

    assert not [name for name in answer.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118
    assert "Vary" not in answer.headers


def test_a_listed_page_may_ask_send_and_read(shop: FlaskClient) -> None:
    asked = shop.options(URL, headers={"Origin": SHOP, **PREFLIGHT})
    assert asked.status_code == 200
    assert asked.headers["Access-Control-Allow-Origin"] == SHOP
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in asked.headers["Access-Control-Allow-Headers"]

    for answer in (
        shop.post(URL, json={}, headers={"Origin": SHOP}),
        shop.get(f"{URL}/nowhere", headers={"Origin": "http://localhost:3000"}),
    ):
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Access-Control-Allow-Methods" not in answer.headers
    sent = shop.post(URL, json={}, headers={"Origin": SHOP})
    assert sent.headers["Access-Control-Allow-Origin"] == SHOP
    assert "X-Request-ID" in sent.headers["Access-Control-Expose-Headers"]


@pytest.mark.attack
def test_no_other_page_is_let_in(shop: FlaskClient, subtests: pytest.Subtests) -> None:
    for origin in (
        "https://evil.example",
        "http://shop.example",
        "https://shop.example.evil.example",
        "https://evil-shop.example",
        "https://sub.shop.example",
        "https://shop.example:8443",
        "https://shop.example/",
        "HTTPS://SHOP.EXAMPLE",
        "https://shop.example, https://evil.example",
        "null",
        "*",
        "",
    ):
        with subtests.test(origin):
            for answer in (
                shop.options(URL, headers={"Origin": origin, **PREFLIGHT}),
                shop.post(URL, json={}, headers={"Origin": origin}),
            ):
                assert "Access-Control-Allow-Origin" not in answer.headers
                assert answer.headers["Vary"] == "Origin"
    outside_the_api = shop.get("/health/live", headers={"Origin": SHOP})
    assert "Access-Control-Allow-Origin" not in outside_the_api.headers


def test_an_origin_that_lets_in_more_than_it_says_is_refused_at_start(
    production: dict[str, str],
) -> None:
    for wrong in (
        "*",
        "null",
        "shop.example",
        f"{SHOP}/",
        "https://*.example",
        "http://shop.example",
    ):
        with pytest.raises(ValidationError, match="must be origins such as"):
            Settings.model_validate({**production, "cors_origins": f"{SHOP},{wrong}"})
