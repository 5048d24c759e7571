import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from pydantic import ValidationError

from app.core.api import PREFIX
from app.settings import Settings
from conftest import MakeApp


def _with_echo(app: Flask) -> FlaskClient:
    @app.get("/address")
    def address() -> str:
        return f"{request.remote_addr} {request.scheme}"

    return app.test_client()


FORGED = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https"}


def test_forwarded_headers_mean_nothing_without_a_proxy(make_app: MakeApp) -> None:
    assert _with_echo(make_app()).get("/address", headers=FORGED).text == "127.0.0.1 http"


def test_only_as_many_hops_count_as_there_are_proxies(make_app: MakeApp) -> None:
    client = _with_echo(make_app(trusted_proxy_hops=1))

    assert client.get("/address", headers=FORGED).text == "203.0.113.9 https"


def test_a_host_that_is_not_ours_is_refused(make_app: MakeApp) -> None:
    client = make_app(allowed_hosts=("shop.example",)).test_client()

    assert client.get("/api/docs", base_url="http://shop.example").status_code == 200
    refused = client.get("/api/docs", base_url="http://evil.example")
    assert refused.status_code == 400
    assert "evil" not in refused.text
    # Probes send an IP address as Host.
    assert client.get("/health/live", base_url="http://10.0.0.7:8000").status_code == 200


def test_the_name_of_a_host_is_the_same_in_capitals(make_app: MakeApp) -> None:
    client = make_app(allowed_hosts="Shop.example,.Other.example:8443").test_client()

    for host, status in {
        "shop.example": 200,
        "SHOP.Example:8443": 200,
        "A.other.EXAMPLE": 200,
        "evil.example": 400,
    }.items():
        assert client.get("/api/docs", headers={"Host": host}).status_code == status, host


def test_an_impossible_host_name_is_refused() -> None:
    for wrong in ("https://shop.example", "shop.example/", "[::1]", "::1", "a@shop.example", "a b"):
        with pytest.raises(ValidationError, match="must be host names such as"):
            Settings.model_validate({"app_env": "testing", "allowed_hosts": wrong})


def test_an_asterisk_allows_every_host(make_app: MakeApp) -> None:
    client = make_app(allowed_hosts=("*",)).test_client()

    assert client.get("/api/docs", base_url="http://any.example").status_code == 200


def test_every_response_has_the_security_headers(client: FlaskClient) -> None:
    for path in ("/health/live", "/nowhere", "/api/openapi.json"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none';" in headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in headers
        for name in ("Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"):
            assert headers[name] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        assert "camera=()" in headers["Permissions-Policy"]


def test_no_response_allows_a_base_url_or_a_plug_in(client: FlaskClient) -> None:
    for path in (
        "/health/live",
        "/nowhere",
        "/api/docs",
        "/api/docs/start.js",
        "/api/openapi.json",
        f"{PREFIX}/nowhere",
        # {% if cookiecutter.web_ui %}
        "/static/pages.js",
        "/",
        # {% endif %}
    ):
        directives = client.get(path).headers["Content-Security-Policy"].split("; ")
        for directive in ("base-uri 'none'", "object-src 'none'", "frame-ancestors 'none'"):
            assert directives.count(directive) == 1, path


def test_a_response_is_stored_nowhere_unless_its_view_allows_it(client: FlaskClient) -> None:
    stored = {
        path: client.get(path).headers["Cache-Control"]
        for path in ("/health/live", "/nowhere", "/api/openapi.json", "/api/docs/start.js")
    }
    assert stored == {
        "/health/live": "no-store",
        "/nowhere": "no-store",
        "/api/openapi.json": "no-cache",
        "/api/docs/start.js": "public, max-age=86400",
    }


def test_production_adds_https_only_and_secure_cookies(
    make_app: MakeApp, production: dict[str, str]
) -> None:
    app = make_app(**production)

    assert "max-age" in app.test_client().get("/health/live").headers["Strict-Transport-Security"]
    assert app.config["SESSION_COOKIE_SECURE"] is True


def test_flask_debug_means_nothing_in_production(
    make_app: MakeApp, production: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")

    assert make_app().debug
    assert not make_app(**production).debug


def test_an_operator_decides_how_long_browsers_insist_on_https(production: dict[str, str]) -> None:
    def hsts(**values: object) -> list[tuple[str, str]]:
        return Settings.model_validate({**production, **values}).hsts

    assert hsts(hsts_max_age_seconds=0) == []
    (header,) = hsts(hsts_preload=True)
    assert header[1] == "max-age=31536000; includeSubDomains; preload"
    with pytest.raises(ValidationError, match="requires HSTS_MAX_AGE_SECONDS of 31536000 or more"):
        hsts(hsts_max_age_seconds=60, hsts_preload=True)
