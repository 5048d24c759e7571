import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core import pseudonyms
from app.core.api import PREFIX
from app.users import attempts
from app.users.tests import (
    OTHER_PASSWORD,
    PASSWORD,
    bearer,
    emails,
    log_in,
    logged_in,
    make,
    new_address,
    token,
)
from conftest import LogLines, MakeApp
from tests.browsers import ACCEPT, SENT, send, session_of, user_browser

REGISTER = "/account/register"
FORGOT = "/account/forgot-password"
RESET = "/account/reset-password"
VERIFY = "/account/verify-email"
CHANGE = "/account/change-email"
EMAIL_SENT = "one is on its way"
NEW = {"password": OTHER_PASSWORD}


def follow(client: FlaskClient, path: str, link: str) -> TestResponse:
    """Open a link and follow its redirect; return the page."""
    response = client.get(path, query_string={"token": link}, headers=ACCEPT)
    assert (response.status_code, response.location) == (303, path)
    return client.get(path, headers=ACCEPT)


def reset_link(app: Flask, client: FlaskClient, email: str) -> str:
    """Request a password reset; return the token in the email."""
    send(client, FORGOT, {"email": email})
    return token(app, email, "reset-password")


def change_link(app: Flask, client: FlaskClient, email: str, new: str) -> str:
    """Request a change of address; return the token in the email sent there."""
    headers = bearer(logged_in(client, email))
    payload = {"email": new, "current_password": PASSWORD}
    client.post(f"{PREFIX}/users/me/email", json=payload, headers=headers)
    return token(app, new, "change-email")


def test_without_required_confirmation_a_new_user_is_asked_to_log_in(make_app: MakeApp) -> None:
    client = make_app(email_confirmation_required=False).test_client()
    email = new_address()

    assert send(client, REGISTER, {"email": email, "password": PASSWORD}).location == "/login"

    assert "it has one now. Log in." in client.get("/login").text
    assert send(client, "/login", {"email": email, "password": PASSWORD}).location == "/"


def test_the_form_shows_the_configured_length_of_a_password(make_app: MakeApp) -> None:
    page = make_app(password_min_length=20).test_client().get(REGISTER)

    assert "20 to 128 characters of any kind" in page.text


def test_a_new_user_registers_confirms_the_address_and_logs_in(
    app: Flask, client: FlaskClient
) -> None:
    email = new_address()

    response = send(client, REGISTER, {"email": f" {email.upper()}", "password": PASSWORD})

    assert (response.status_code, response.location) == (303, "/login")
    assert EMAIL_SENT in client.get("/login").text
    page = follow(client, VERIFY, token(app, email, "verify-email"))
    assert "Confirm the address" in page.text
    assert log_in(client, email).status_code == 401
    assert send(client, VERIFY, {}).location == "/login"
    assert "Your address is confirmed." in client.get("/login").text
    logged_in = send(client, "/login", {"email": email, "password": PASSWORD})
    assert logged_in.location == "/"


def test_every_form_of_an_account_has_an_explanation(app: Flask, client: FlaskClient) -> None:
    waiting, forgetful, moving = (new_address() for _ in range(3))
    send(client, REGISTER, {"email": waiting, "password": PASSWORD})
    for email in (forgetful, moving):
        make(app, email)
    browser = app.test_client()
    send(browser, "/login", {"email": moving, "password": PASSWORD})
    link = change_link(app, client, moving, new_address())
    pages = [
        client.get(REGISTER),
        client.get(FORGOT),
        follow(client, VERIFY, token(app, waiting, "verify-email")),
        follow(client, RESET, reset_link(app, client, forgetful)),
        follow(client, CHANGE, link),
        *(browser.get(f"/account/{page}") for page in ("password", "email", "close")),
        browser.get("/account/sessions/end-others"),
    ]

    explanations = [
        re.findall('<p class="lead">([A-Z][^<]{30,}[.])</p>', page.text) for page in pages
    ]

    assert [len(sentences) for sentences in explanations] == [1] * len(pages)
    assert len({sentence for (sentence,) in explanations}) == len(pages)


def test_password_fields_hide_their_text_and_have_an_autocomplete_purpose(
    app: Flask, client: FlaskClient
) -> None:
    make(app, email := new_address())
    for page, autocomplete in (
        (client.get("/login"), "current-password"),
        (client.get(REGISTER), "new-password"),
        (follow(client, RESET, reset_link(app, client, email)), "new-password"),
    ):
        (field,) = re.findall(r'<input[^>]* name="password"[^>]*>', page.text)
        assert ' type="password"' in field
        assert f' autocomplete="{autocomplete}"' in field


def test_a_user_with_a_forgotten_password_chooses_another_one(
    app: Flask, client: FlaskClient
) -> None:
    make(app, email := new_address())
    browser = user_browser(app)
    send(browser, "/", {}, to="/logout")
    send(browser, "/login", {"email": email, "password": PASSWORD})

    page = follow(client, RESET, reset_link(app, client, email))
    response = send(client, RESET, NEW)

    assert 'autocomplete="new-password"' in page.text
    assert response.location == "/login"
    assert "Your password is changed." in client.get("/login").text
    assert log_in(client, email, OTHER_PASSWORD).status_code == 200
    assert browser.get("/account").status_code == 303  # all sessions have ended


def test_an_account_uses_another_address_once_it_is_confirmed(
    app: Flask, client: FlaskClient
) -> None:
    make(app, email := new_address())
    link = change_link(app, client, email, new := new_address())

    assert "Use this address" in follow(client, CHANGE, link).text
    assert log_in(client, new).status_code == 401
    assert send(client, CHANGE, {}).location == "/login"

    assert log_in(client, new).status_code == 200
    assert log_in(client, email).status_code == 401


def test_the_page_to_login_leads_to_the_others(make_app: MakeApp, client: FlaskClient) -> None:
    page = client.get("/login").text
    for path in (REGISTER, FORGOT):
        assert f'href="{path}"' in page
    closed = make_app(registration_open=False).test_client()
    assert REGISTER not in closed.get("/login").text
    assert closed.get(REGISTER, headers=ACCEPT).status_code == 403
    assert "Registration is closed" in closed.get(REGISTER, headers=ACCEPT).text


def test_mistakes_are_named_and_a_link_survives_them(app: Flask, client: FlaskClient) -> None:
    for form, sentences in (
        ({}, ["Email address: Fill this in.", "Password: Fill this in."]),
        (
            {"email": "ann", "password": "short"},
            ["Email address: Must be an address such as ann@example.com."],
        ),
        (
            {"email": "ann@shop.example", "password": "aaa"},
            ["Password: Must have 12 to 128", "Password: Must have 5 different characters."],
        ),
        ({"email": "ann@shop.example", "password": "x" * 2_000}, ["Password: Is too long."]),
    ):
        response = send(client, REGISTER, form)

        assert response.status_code == 422
        for sentence in sentences:
            assert sentence in response.text
        assert "xxx" not in response.text
    make(app, email := new_address())
    follow(client, RESET, reset_link(app, client, email))
    for password in ("", "short", email):
        assert send(client, RESET, {"password": password}).status_code == 422
    assert send(client, RESET, NEW).status_code == 303


def test_too_many_emails_from_one_network_stay_on_the_page(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        network = pseudonyms.of_network("127.0.0.1")
        for number in range(attempts.EMAIL.network):
            attempts.begin(attempts.EMAIL, f"account {number}", network)
    for path in (FORGOT, REGISTER):
        response = send(client, path, {"email": new_address(), "password": PASSWORD})

        assert response.status_code == 429
        assert response.mimetype == "text/html"
        assert "Too many" in response.text
        assert int(response.headers["Retry-After"]) > 0


@pytest.mark.attack
def test_opening_a_link_spends_nothing(
    app: Flask, client: FlaskClient, subtests: pytest.Subtests
) -> None:
    payload = {"email": (waiting := new_address()), "password": PASSWORD}
    client.post(f"{PREFIX}/users", json=payload)
    make(app, moving := new_address())
    make(app, forgetful := new_address())
    tokens = {
        VERIFY: token(app, waiting, "verify-email"),
        CHANGE: change_link(app, client, moving, new := new_address()),
        RESET: reset_link(app, client, forgetful),
    }
    for path, link in tokens.items():
        query = {"token": link}
        for method in ("GET", "HEAD", "OPTIONS"):
            app.test_client().open(path, method=method, query_string=query, follow_redirects=True)
    for email, status in ((waiting, 401), (new, 401), (moving, 200), (forgetful, 200)):
        assert log_in(client, email).status_code == status
    for path, link in tokens.items():
        with subtests.test(path):
            follow(client, path, link)

            assert send(client, path, NEW).status_code == 303


@pytest.mark.attack
def test_a_link_works_once(app: Flask, client: FlaskClient) -> None:
    make(app, email := new_address())
    link = reset_link(app, client, email)
    second = app.test_client()
    for browser in (client, second):
        follow(browser, RESET, link)

    assert send(client, RESET, NEW).status_code == 303
    again = send(second, RESET, {"password": "a third one, also long"})

    assert again.status_code == 400
    assert "invalid or has expired" in again.text
    # The browser's session no longer has the link.
    assert client.get(RESET, headers=ACCEPT).status_code == 400
    assert log_in(client, email, OTHER_PASSWORD).status_code == 200


@pytest.mark.attack
def test_an_invalid_link_of_a_page_has_no_effect(
    app: Flask, client: FlaskClient, subtests: pytest.Subtests
) -> None:
    make(app, email := new_address())
    good = reset_link(app, client, email)
    for path, link in (
        (RESET, good[:-1]),
        (RESET, f"{good}A"),
        (RESET, "<script>alert(1)</script>"),
        (RESET, "é\0"),
        (RESET, "x" * 5_000),
        (VERIFY, good),
        (CHANGE, good),
    ):
        with subtests.test(f"{path}: {link[:30]}"):
            browser = app.test_client()
            response = browser.get(path, query_string={"token": link}, headers=ACCEPT)

            assert response.status_code == 400
            assert link not in response.text
            assert "link" not in session_of(browser)
            assert browser.get(path, headers=ACCEPT).status_code == 400
    with subtests.test("kept for another page"):
        follow(client, RESET, good)
        for path in (VERIFY, CHANGE):
            assert client.get(path, headers=ACCEPT).status_code == 400


@pytest.mark.attack
def test_no_other_site_uses_a_link(
    app: Flask, client: FlaskClient, subtests: pytest.Subtests
) -> None:
    make(app, email := new_address())
    link = reset_link(app, client, email)
    follow(client, RESET, link)
    for name, path, headers in (
        ("no token", RESET, SENT),
        ("the link's token instead", f"{RESET}?token={link}", SENT),
        ("another site", RESET, {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}),
    ):
        with subtests.test(name):
            assert client.post(path, data=NEW, headers=headers).status_code in {400, 403}
    for path in (REGISTER, FORGOT):
        with subtests.test(path):
            response = client.post(path, data={"email": email, **NEW}, headers=SENT)

            assert response.status_code == 400
    assert emails(app, email) == []
    assert log_in(client, email, OTHER_PASSWORD).status_code == 401


@pytest.mark.attack
def test_no_page_reveals_which_addresses_have_an_account(
    app: Flask, subtests: pytest.Subtests
) -> None:
    taken, free, closed = new_address(), new_address(), new_address()
    make(app, taken)
    make(app, closed, deactivated_at=datetime.now(UTC))
    for path in (REGISTER, FORGOT):
        with subtests.test(path):
            seen = set()
            for email in (taken, free, closed):
                browser = app.test_client()
                response = send(browser, path, {"email": email, "password": OTHER_PASSWORD})
                login_page = browser.get("/login").text
                login_page = re.sub(r'(nonce|value)="[^"]*"', "", login_page)
                seen.add((response.status_code, response.location, response.text, login_page))

            assert len(seen) == 1


@pytest.mark.attack
def test_a_token_is_neither_shown_nor_logged_nor_sent_to_another_site(
    app: Flask, client: FlaskClient, log_lines: LogLines
) -> None:
    make(app, email := new_address())
    link = reset_link(app, client, email)

    response = client.get(RESET, query_string={"token": link}, headers=ACCEPT)
    page = client.get(response.location, headers=ACCEPT)
    send(client, RESET, {"password": "short"})
    send(client, RESET, NEW)

    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert link not in response.text
    assert link not in page.text
    assert {line["http.route"] for line in log_lines if "http.route" in line} >= {RESET}
    assert link not in str(log_lines)
    assert OTHER_PASSWORD not in str(log_lines)


@pytest.mark.attack
def test_submitted_values_are_shown_as_text_and_a_password_never(client: FlaskClient) -> None:
    injected = "\"'><script>alert(1)</script>"
    for path in (REGISTER, FORGOT):
        response = send(client, path, {"email": injected, "password": injected})

        assert response.status_code == 422
        assert "<script>alert" not in response.text
        assert response.text.count("alert(1)") == 1  # the address
