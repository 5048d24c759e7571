import re
from html import escape
from urllib.parse import urljoin
from uuid import uuid4

import pytest
from flask import Flask, redirect, request, url_for
from flask.testing import FlaskClient
from pydantic import ValidationError
from werkzeug.wrappers import Response

from app.core import errors
from app.core.config import InvalidSettings
from app.settings import Settings
from conftest import MakeApp
from tests import toy

PREFIX = "/shop"


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    """Create an application below a prefix, with routes that redirect."""
    app = toy.init_app(
        make_app(url_prefix=f"{PREFIX}/", trusted_proxy_hops=1, cors_origins=("https://a.example",))
    )

    @app.get("/seen/")
    def seen() -> list[str]:
        return [request.script_root, request.path, url_for("seen")]

    @app.get("/to")
    def to() -> Response:
        return redirect(request.args["place"])

    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_paths_are_served_with_the_prefix_and_without(client: FlaskClient) -> None:
    """Some proxies remove the prefix, some do not, and probes omit it."""
    for path in ("/shop/seen/", "/seen/"):
        response = client.get(path, headers={"X-Forwarded-Prefix": "/evil"})
        assert response.json == ["/shop", "/seen/", "/shop/seen/"]
    assert client.get("/health/live").status_code == 200
    assert client.get("/shop/health/live").status_code == 200
    for path in ("/shop/shop/seen/", "/shopping/seen/", "/shop", "/shop/", "/nowhere"):
        response = client.get(path, headers={"Accept": errors.MEDIA_TYPE})
        assert response.status_code in {200, 303, 404}
        assert response.json is None or response.json != ["/shop", "/seen/", "/shop/seen/"]


def test_a_server_may_have_taken_the_prefix_off_itself(
    client: FlaskClient, make_app: MakeApp
) -> None:
    environ = {"SCRIPT_NAME": "/shop"}
    assert client.get("/seen/", environ_overrides=environ).json == [
        "/shop",
        "/seen/",
        "/shop/seen/",
    ]

    mounted = make_app()

    @mounted.get("/old")
    def old() -> Response:
        return redirect("/new")

    response = mounted.test_client().get("/old", environ_overrides=environ)
    assert response.location == "/shop/new"


def test_redirects_have_the_prefix_once_and_those_to_other_places_none(client: FlaskClient) -> None:
    for place, location in {
        "/": "/shop/",
        "/a?b=/c#d": "/shop/a?b=/c#d",
        "/shopping": "/shop/shopping",
        "/shop": "/shop",
        "/shop?a": "/shop?a",
        "/shop#a": "/shop#a",
        "/shop/a": "/shop/a",
        "https://other.example/": "https://other.example/",
        "//other.example/": "//other.example/",
        "a": "a",
    }.items():
        response = client.get("/shop/to", query_string={"place": place})
        assert response.location == location
        assert f'href="{escape(location)}"' in response.text
    assert client.get("/shop/seen").location == "http://localhost/shop/seen/"


def test_every_link_of_the_documentation_and_every_path_of_the_document_works(
    client: FlaskClient,
) -> None:
    here = "/shop/api/docs"
    page = client.get(here)
    links = [urljoin(here, link) for link in re.findall(r'(?:href|src)="([^"]+)"', page.text)]
    (document_link,) = re.findall(r'url: "([^"]+)"', client.get("/shop/api/docs/start.js").text)
    links.append(urljoin(here, document_link))
    assert len(links) >= 4
    for link in links:
        assert link.startswith("/shop/")
        assert client.get(link).status_code == 200, link

    document = client.get(links[-1]).json
    assert document is not None
    (server,) = document["servers"]
    assert server["url"] == "/shop"
    for path in document["paths"]:
        full = server["url"] + re.sub(r"{[^}]+}", str(uuid4()), path)
        assert client.options(full).status_code != 404, full


def test_pages_of_other_origins_are_known_below_a_prefix_too(client: FlaskClient) -> None:
    for origin, status in (("https://a.example", 422), ("https://b.example", 403)):
        headers = {"Origin": origin}
        assert client.post(f"{PREFIX}{toy.URL}", json={}, headers=headers).status_code == status


def test_without_a_prefix_the_document_is_of_the_whole_host(make_app: MakeApp) -> None:
    document = make_app().test_client().get("/api/openapi.json").json

    assert document is not None
    assert document["servers"] == [{"url": "/"}]


def test_an_invalid_prefix_is_refused() -> None:
    for wrong in ("shop", "//shop", "/a//b", "/a b", "/..", "/a/./b", "/é", "/a?b", "https://a"):
        with pytest.raises(ValidationError, match="must be a path such as /shop"):
            Settings.model_validate({"app_env": "testing", "url_prefix": wrong})
    for right in ("", "/", "/shop", "/shop/", "/a/b.c-d_e~f"):
        settings = Settings.model_validate({"app_env": "testing", "url_prefix": right})
        assert settings.url_prefix == right.rstrip("/")


def test_a_prefix_that_routes_begin_with_stops_the_start(make_app: MakeApp) -> None:
    for ambiguous in ("/api", "/health/shop"):
        with pytest.raises(InvalidSettings, match="URL_PREFIX: begins as routes of this service"):
            make_app(url_prefix=ambiguous)
