import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import ValidationError

from app.core.api import PREFIX
from app.settings import Settings
from conftest import MakeApp
from tests import toy

SHOP = "https://shop.example"
URL = toy.URL
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}
# The headers of browsers in requests from pages of other sites.
FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://evil-localhost"},
    {"Origin": "http://localhost:8080"},
    {"Origin": "http://localhost@evil.example"},
    {"Origin": "http://["},
    {"Origin": "localhost"},
    {"Origin": "null"},
    {"Origin": ""},
)


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return toy.init_app(make_app())


@pytest.fixture(scope="module")
def shop(make_app: MakeApp) -> FlaskClient:
    return toy.init_app(make_app(cors_origins=f"{SHOP},http://localhost:3000")).test_client()


def test_without_a_list_no_page_is_let_in(client: FlaskClient) -> None:
    response = client.options(URL, headers={"Origin": SHOP, **PREFLIGHT})

    assert not [name for name in response.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118
    assert "Vary" not in response.headers


def test_a_listed_origin_may_preflight_send_and_read(shop: FlaskClient) -> None:
    preflight = shop.options(URL, headers={"Origin": SHOP, **PREFLIGHT})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == SHOP
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]

    for response in (
        shop.post(URL, json={}, headers={"Origin": SHOP}),
        shop.get(f"{URL}/nowhere", headers={"Origin": "http://localhost:3000"}),
    ):
        assert response.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Access-Control-Allow-Methods" not in response.headers
    for method, path, status in (
        ("GET", f"{PREFIX}/nowhere", 404),
        ("POST", f"{PREFIX}/nowhere", 404),
        ("DELETE", URL, 405),
    ):
        response = shop.open(path, method=method, headers={"Origin": SHOP})
        assert response.status_code == status
        assert response.headers["Access-Control-Allow-Origin"] == SHOP
    response = shop.post(URL, json={}, headers={"Origin": SHOP})
    assert response.headers["Access-Control-Allow-Origin"] == SHOP
    assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]


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
            for response in (
                shop.options(URL, headers={"Origin": origin, **PREFLIGHT}),
                shop.post(URL, json={}, headers={"Origin": origin}),
            ):
                assert "Access-Control-Allow-Origin" not in response.headers
                assert response.headers["Vary"] == "Origin"
    outside_the_api = shop.get("/health/live", headers={"Origin": SHOP})
    assert "Access-Control-Allow-Origin" not in outside_the_api.headers


@pytest.mark.attack
def test_a_page_of_another_site_changes_nothing(
    client: FlaskClient, shop: FlaskClient, subtests: pytest.Subtests
) -> None:
    for headers in FOREIGN:
        for name, tried in {"no list": client, "a list": shop}.items():
            with subtests.test(f"{name}: {headers}"):
                # Refused before authentication, and before the body is read.
                response = tried.post(URL, data="{", headers={"Authorization": "", **headers})

                assert response.status_code == 403
                assert response.json is not None
                assert response.json["code"] == "cross_origin_request"
    for method in ("PUT", "PATCH", "DELETE", "PROPFIND"):
        with subtests.test(method):
            response = client.open("/nowhere", method=method, headers=FOREIGN[0])
            assert response.status_code == 403
    with subtests.test("a listed page, outside the API"):
        listed = {"Sec-Fetch-Site": "cross-site", "Origin": SHOP}
        assert shop.post("/nowhere", headers=listed).status_code == 403


def test_a_page_of_another_site_may_lead_here(client: FlaskClient) -> None:
    for headers in FOREIGN:
        for method in ("GET", "HEAD", "OPTIONS"):
            response = client.open("/api/openapi.json", method=method, headers=headers)
            assert response.status_code == 200, f"{method}: {headers}"


def test_our_pages_listed_ones_and_other_clients_may_change_something(
    client: FlaskClient, shop: FlaskClient
) -> None:
    for headers in (
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost"},
        # A proxy may have changed Host, so Sec-Fetch-Site takes precedence.
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://before-the-proxy.example"},
    ):
        assert client.post(URL, json={}, headers=headers).status_code == 422, headers
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site, "Origin": SHOP}
        assert shop.post(URL, json={}, headers=headers).status_code == 422, site


def test_behind_a_proxy_the_host_is_the_one_that_it_keeps(make_app: MakeApp) -> None:
    client = toy.init_app(make_app(trusted_proxy_hops=1)).test_client()
    written = {"Host": "shop.example", "X-Forwarded-Proto": "https"}
    for headers, status in (
        ({"Origin": SHOP}, 422),
        ({"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"}, 403),
    ):
        assert client.post(URL, json={}, headers={**written, **headers}).status_code == status


def test_an_origin_that_admits_more_than_it_names_is_refused_at_start(
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
