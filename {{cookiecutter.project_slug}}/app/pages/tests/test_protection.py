import hashlib
import hmac
from base64 import urlsafe_b64encode

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.pages.tests import toy_page
from app.pages.tests.toy_page import PATH
from conftest import MakeApp
from tests import toy
from tests.browsers import SENT, token


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    """Return an application with the toy page and the toy domain."""
    return toy_page.init_app(toy.init_app(make_app()))


def form_of(client: FlaskClient) -> dict[str, str]:
    return {**toy_page.NOTE, "csrf_token": token(client, PATH)}


@pytest.mark.attack
def test_a_form_without_this_browsers_token_is_refused(
    app: Flask, subtests: pytest.Subtests
) -> None:
    client = app.test_client()
    good = form_of(client)
    others = token(app.test_client(), PATH)
    kept = {name: value for name, value in good.items() if name != "csrf_token"}
    value, _, rest = good["csrf_token"].partition(".")
    for name, form in {
        "none": kept,
        "empty": {**good, "csrf_token": ""},
        "somebody else's": {**good, "csrf_token": others},
        "cut": {**good, "csrf_token": good["csrf_token"][:-1]},
        "changed": {**good, "csrf_token": f"{value}x.{rest}"},
        "not a token": {**good, "csrf_token": "\0é"},
        "under another name": {**kept, "token": good["csrf_token"]},
    }.items():
        with subtests.test(name):
            response = client.post(PATH, data=form, headers=SENT)

            assert response.status_code == 400
            assert "no longer valid" in response.text
            assert toy_page.NOTE["text"] not in response.text
    with subtests.test("no cookie"):
        assert app.test_client().post(PATH, data=good, headers=SENT).status_code == 400
    with subtests.test("in the query"):
        response = client.post(PATH, query_string=good, data=kept, headers=SENT)
        assert response.status_code == 400
    response = client.post(PATH, data=good, headers=SENT)
    assert response.status_code == 200
    assert toy_page.NOTE["text"] in response.text


@pytest.mark.attack
def test_a_token_that_is_too_old_is_refused(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = form_of(client)
    monkeypatch.setitem(app.config, "WTF_CSRF_TIME_LIMIT", -1)

    assert client.post(PATH, data=form, headers=SENT).status_code == 400


def signed(text: str, key: bytes, digest: str) -> str:
    """Sign a value as itsdangerous does: the part before the last dot."""
    body = text.rpartition(".")[0]
    signature = urlsafe_b64encode(hmac.digest(key, body.encode(), digest))
    return f"{body}.{signature.decode().rstrip('=')}"


@pytest.mark.attack
def test_cookies_and_forms_are_signed_with_sha_256_and_no_other_is_taken(
    app: Flask, client: FlaskClient, subtests: pytest.Subtests
) -> None:
    secret = app.config["SECRET_KEY"].encode()
    form, cookie = form_of(client), client.get_cookie("session")
    assert cookie
    held, submitted = {}, {}
    for digest in ("sha1", "sha256"):
        held[digest] = signed(cookie.value, hmac.digest(secret, b"cookie-session", digest), digest)
        key = hashlib.new(digest, b"wtf-csrf-token" + b"signer" + secret).digest()
        submitted[digest] = signed(form["csrf_token"], key, digest)

    assert (held["sha256"], submitted["sha256"]) == (cookie.value, form["csrf_token"])
    for name, session, token_ in (
        ("the cookie", held["sha1"], submitted["sha256"]),
        ("the form", held["sha256"], submitted["sha1"]),
    ):
        with subtests.test(name):
            client.set_cookie("session", session)
            response = client.post(PATH, data={**form, "csrf_token": token_}, headers=SENT)
            assert response.status_code == 400
    client.set_cookie("session", cookie.value)
    assert client.post(PATH, data=form, headers=SENT).status_code == 200


@pytest.mark.attack
def test_a_form_on_another_sites_page_is_refused_even_with_a_token(
    client: FlaskClient, subtests: pytest.Subtests
) -> None:
    form = form_of(client)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "", "Origin": "http://localhost"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "http://localhost@evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
    ):
        with subtests.test(str(headers)):
            response = client.post(PATH, data=form, headers=headers)

            assert response.status_code == 403
            assert response.json is not None
            assert response.json["code"] == "cross_origin_request"


def test_a_browser_without_fetch_metadata_is_accepted_by_its_token(client: FlaskClient) -> None:
    for headers in ({}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"}):
        assert client.post(PATH, data=form_of(client), headers=headers).status_code == 200


def test_the_api_accepts_no_cookie_and_requires_no_csrf_token(client: FlaskClient) -> None:
    response = client.post(toy.URL, json={}, headers={"Sec-Fetch-Site": "same-origin"})

    assert response.status_code == 422


def test_production_keeps_its_cookie_from_scripts_other_sites_and_other_hosts(
    make_app: MakeApp, production: dict[str, str]
) -> None:
    cookies = {
        name: toy_page.init_app(app)
        .test_client()
        .get(PATH, base_url="https://localhost")
        .headers["Set-Cookie"]
        for name, app in {
            "production": make_app(**production),
            "elsewhere": make_app(app_env="development"),
        }.items()
    }

    assert cookies["production"].startswith("__Host-session=")
    assert cookies["elsewhere"].startswith("session=")
    for name, cookie in cookies.items():
        parts = set(cookie.split("; ")[1:])
        secure = {"Secure"} if name == "production" else set()
        assert parts == {"HttpOnly", "Path=/", "SameSite=Lax"} | secure


@pytest.mark.attack
def test_submitted_values_are_shown_as_text(client: FlaskClient) -> None:
    injected = "\"'><script>alert(1)</script>"

    response = client.post(PATH, data={**form_of(client), "text": injected}, headers=SENT)

    assert response.status_code == 200
    assert "<script>alert" not in response.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in response.text


@pytest.mark.attack
def test_a_query_parameter_that_is_sent_twice_is_refused(
    client: FlaskClient, subtests: pytest.Subtests
) -> None:
    for path in (f"{PATH}?a=1&a=2", f"{PATH}?a=1&b=1&%61=1", "/static/pages.css?v=1&v=1"):
        with subtests.test(path):
            response = client.get(path, headers={"Accept": "application/problem+json"})
            assert response.status_code == 400
            assert response.json is not None
            assert response.json["code"] == "repeated_parameter"
    assert client.get(f"{PATH}?a=1&b=1").status_code == 200
