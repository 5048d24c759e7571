import pytest
from pydantic import ValidationError

from app.settings import Settings


def test_urls_lead_to_one_place_by_https_in_production(production: dict[str, str]) -> None:
    for url in (
        "http://shop.example",
        "https://",
        "https://shop.example/?x",
        "https://shop.example#x",
        "https://user@shop.example",
        "https://shop.example /",
        "https://shop.example:https",
        "https://shop.example:0",
        "https://[::1",
        "https://shop.exam\nple",
        "shop.example",
        "javascript:alert(1)",
    ):
        with pytest.raises(ValidationError, match="must begin with https://"):
            Settings.model_validate({**production, "public_url": url})
    with pytest.raises(ValidationError, match="is required in production"):
        Settings.model_validate({**production, "public_url": ""})
    near = {"app_env": "development", "public_url": "http://127.0.0.1:3000"}
    assert Settings.model_validate(near).public_url == "http://127.0.0.1:3000"


def test_urls_have_the_prefix_of_the_service_once() -> None:
    values = {"app_env": "testing", "url_prefix": "/shop"}
    for url, place in {
        "": "http://127.0.0.1:8000/shop",
        "https://a.example": "https://a.example/shop",
        "https://a.example/": "https://a.example/shop",
        "https://a.example/shop": "https://a.example/shop",
        "https://a.example/shop/": "https://a.example/shop",
    }.items():
        assert Settings.model_validate({**values, "public_url": url}).public_url == place
    for prefix, url in (
        ("/shop", "https://a.example/other"),
        ("/shop", "https://a.example/shop/shop"),
        ("", "https://a.example/shop"),
    ):
        with pytest.raises(ValidationError, match="must have no path other than URL_PREFIX"):
            Settings.model_validate({**values, "url_prefix": prefix, "public_url": url})
