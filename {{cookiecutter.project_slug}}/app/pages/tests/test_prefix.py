"""Tests of all pages below a path prefix (URL_PREFIX)."""

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from conftest import MakeApp
from tests import (  # one line where it fits
    browsers,
    # {% if cookiecutter.auth == "jwt" %}
    own_accounts,
    # {% endif %}
)

PREFIX = "/shop"


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return make_app(url_prefix=PREFIX)


def _walk(client: FlaskClient) -> set[str]:
    """Follow every link from the start page and from a missing page; return the URLs."""
    waiting, seen = [f"{PREFIX}/", f"{PREFIX}/nowhere", f"{PREFIX}/logged-out"], set[str]()
    while waiting:
        url = waiting.pop()
        if url in seen:
            continue
        seen.add(url)
        response = client.get(url, headers=browsers.ACCEPT)
        # The user has no stored account, so the account page is a problem page.
        assert response.status_code < 400 or url.endswith(
            ("/nowhere", "/logged-out", "/account")
        ), url
        if url.startswith(f"{PREFIX}/api/"):
            continue  # not a page; its links are relative
        found = [response.location] if response.location else []
        if response.mimetype == "text/html":
            found += map(unescape, re.findall(r'(?:href|src)="([^"#][^"]*)"', response.text))
            actions = list(map(unescape, re.findall(r'action="([^"]*)"', response.text)))
            assert all(action.startswith(f"{PREFIX}/") for action in actions), actions
            # Each URL accepts forms and requires a CSRF token.
            assert {client.post(action).status_code for action in actions} <= {400}, actions
        own = [link for link in found if not link.startswith("http")]  # not the OpenID provider's
        assert [link for link in own if not link.startswith(f"{PREFIX}/")] == [], url
        waiting += own
    return seen


def test_every_link_and_form_of_every_page_leads_below_the_prefix(app: Flask) -> None:
    # {% if cookiecutter.auth == "jwt" %}
    own_accounts.store_account(app, browsers.SOME_ID, "ann@shop.example")
    # {% endif %}
    client = browsers.user_browser(app)
    # {% if cookiecutter.example and cookiecutter.database != "none" %}
    form = {"currency": "EUR", **browsers.line("TEA-100", "1", "1")}
    placed = browsers.send(client, f"{PREFIX}/orders/new", form)
    assert placed.location.startswith(f"{PREFIX}/orders/")
    # {% endif %}

    seen = _walk(client) | _walk(app.test_client())

    assert f"{PREFIX}/nowhere" in seen
    assert any(url.startswith(f"{PREFIX}/static/pages.css?v=") for url in seen)
    # {% if cookiecutter.example and cookiecutter.database != "none" %}
    assert placed.location in seen
    # {% endif %}


def test_the_page_before_the_browser_is_marked_below_a_prefix_too(app: Flask) -> None:
    page = browsers.user_browser(app).get(f"{PREFIX}/", headers=browsers.ACCEPT)

    assert f'href="{PREFIX}/" aria-current="page"' in page.text


def test_services_below_several_paths_of_a_host_do_not_share_a_cookie(
    app: Flask, make_app: MakeApp, production: dict[str, str]
) -> None:
    assert (app.config["SESSION_COOKIE_NAME"], app.config["SESSION_COOKIE_PATH"]) == (
        "session",
        PREFIX,
    )
    # The __Host- prefix requires the path /.
    names = set()
    for prefix in ("", "/shop", "/shop/new", "/shop-new", "/shop.new"):
        config = make_app(**production, url_prefix=prefix).config
        assert config["SESSION_COOKIE_NAME"].startswith("__Host-session")
        assert config["SESSION_COOKIE_PATH"] == "/"
        names.add(config["SESSION_COOKIE_NAME"])
    assert len(names) == 5
