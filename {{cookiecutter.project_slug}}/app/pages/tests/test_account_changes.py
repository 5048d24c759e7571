import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core.database import reading
from app.sessions.models import LoginSession
from app.users import attempts
from app.users.tests import (
    OTHER_PASSWORD,
    PASSWORD,
    emails,
    log_in,
    make,
    new_address,
    token,
)
from conftest import LogLines
from tests import browsers
from tests.browsers import ACCEPT, SENT, send

PASSWORD_PAGE, EMAIL, CLOSE = "/account/password", "/account/email", "/account/close"
OTHERS = "/account/sessions/end-others"
PROOF = {"current_password": PASSWORD}
WRONG = {"current_password": "a guess, not more"}


@pytest.fixture
def email(app: Flask) -> str:
    """Store an account; return its address."""
    address = new_address()
    make(app, address)
    return address


@pytest.fixture
def browser(app: Flask, email: str) -> FlaskClient:
    """Return a browser in which the account's owner is logged in."""
    return logged_in(app, email)


def logged_in(app: Flask, email: str, password: str = PASSWORD) -> FlaskClient:
    client: FlaskClient = app.test_client()
    send(client, "/login", {"email": email, "password": password})
    return client


def test_the_page_shows_the_account_and_leads_to_its_changes(
    browser: FlaskClient, email: str
) -> None:
    page = browser.get("/account").text

    assert page.count(email) == 3  # in the frame, its title, and the account
    for path in (PASSWORD_PAGE, EMAIL, CLOSE):
        assert f'href="{path}"' in page
    assert 'href="/account" aria-current="page">Account</a>' in page


def test_a_session_of_a_browser_lasts_no_longer_than_its_cookie(
    app: Flask, browser: FlaskClient
) -> None:
    assert browser.get("/account").status_code == 200
    with app.app_context(), reading() as connection:
        query = select(LoginSession.created_at, LoginSession.expires_at)
        (found,) = connection.execute(query).all()

    assert found.expires_at - found.created_at == timedelta(seconds=43_200)


def test_sessions_are_distinguished_by_their_networks(
    app: Flask, browser: FlaskClient, email: str
) -> None:
    logged_in(app, email)
    far = app.test_client()
    far.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    send(far, "/login", {"email": email, "password": PASSWORD})

    titles = re.findall("<strong>([^<]+)</strong>", browser.get("/account").text)

    assert sorted(titles) == ["From another network", "From this network", "This browser"]


def test_a_new_password_is_taken_and_every_other_session_ends(
    app: Flask, browser: FlaskClient, email: str
) -> None:
    other = logged_in(app, email)

    response = send(browser, PASSWORD_PAGE, {**PROOF, "password": OTHER_PASSWORD})

    assert (response.status_code, response.location) == (303, "/account")
    assert "Your password is changed." in browser.get("/account").text
    assert other.get("/account").status_code == 303
    assert log_in(app.test_client(), email).status_code == 401
    assert log_in(app.test_client(), email, OTHER_PASSWORD).status_code == 200
    ((_, text),) = emails(app, email)
    assert "password has been changed" in text


def test_a_password_that_is_not_good_enough_is_named_beside_its_field(
    app: Flask, browser: FlaskClient, email: str
) -> None:
    for form, sentence in (
        ({**PROOF, "password": "short"}, "New password: Must have 12 to 128 characters."),
        ({**PROOF, "password": ""}, "New password: Fill this in."),
        ({"current_password": "", "password": "short"}, "Current password: Fill this in."),
    ):
        response = send(browser, PASSWORD_PAGE, form)

        assert response.status_code == 422
        assert sentence in response.text
    assert log_in(app.test_client(), email).status_code == 200


def test_another_address_counts_once_its_link_is_followed(
    app: Flask, browser: FlaskClient, email: str
) -> None:
    new = new_address()

    response = send(browser, EMAIL, {**PROOF, "email": f" {new.upper()} "})

    assert (response.status_code, response.location) == (303, "/account")
    assert "a message is on its way" in browser.get("/account").text
    assert log_in(app.test_client(), new).status_code == 401
    path = "/account/change-email"
    browser.get(path, query_string={"token": token(app, new, "change-email")}, headers=ACCEPT)
    assert "shows that the address is yours" in browser.get(path).text
    assert send(browser, path, {}).location == "/account"
    page = browser.get("/account").text
    assert "Your account uses this address now." in page
    assert new in page
    assert email not in page
    assert log_in(app.test_client(), new).status_code == 200


def test_a_closed_account_lets_nobody_in(app: Flask, browser: FlaskClient, email: str) -> None:
    other = logged_in(app, email)

    response = send(browser, CLOSE, PROOF)

    assert (response.status_code, response.location) == (303, "/login")
    page = browser.get("/login").text
    assert "Your account is closed." in page
    assert "Log out" not in page
    assert other.get("/account").status_code == 303
    assert log_in(app.test_client(), email).status_code == 401


@pytest.mark.attack
def test_nobody_changes_an_account_without_its_password(
    app: Flask, browser: FlaskClient, email: str, subtests: pytest.Subtests, log_lines: LogLines
) -> None:
    other = logged_in(app, email)
    for path, more in (
        (PASSWORD_PAGE, {"password": OTHER_PASSWORD}),
        (EMAIL, {"email": new_address()}),
        (CLOSE, {}),
        (OTHERS, {}),
    ):
        with subtests.test(path):
            response = send(browser, path, {**WRONG, **more})

            assert response.status_code == 403
            assert "The current password is wrong." in response.text
            assert WRONG["current_password"] not in response.text
    assert browser.get("/account").status_code == 200
    assert other.get("/account").status_code == 200
    assert log_in(app.test_client(), email).status_code == 200
    assert emails(app, email) == []
    tries = [line for line in log_lines if line.get("message") == "re-authentication failed"]
    assert [line["outcome"] for line in tries] == ["wrong_password"] * 4
    assert WRONG["current_password"] not in str(log_lines)


@pytest.mark.attack
def test_a_stolen_session_has_no_more_password_attempts_than_a_login(
    browser: FlaskClient, subtests: pytest.Subtests
) -> None:
    pages = [PASSWORD_PAGE, EMAIL, CLOSE, OTHERS, CLOSE]
    form = {**WRONG, "password": OTHER_PASSWORD, "email": new_address()}
    assert len(pages) == attempts.LOGIN.pair
    for path in pages:
        assert send(browser, path, form).status_code == 403
    for path in pages:
        with subtests.test(path):
            response = send(browser, path, {**form, **PROOF})

            assert response.status_code == 429
            assert response.mimetype == "text/html"
            assert "Too many attempts. Try again in 15 minutes." in response.text
            assert "Retry-After" not in response.text
            assert int(response.headers["Retry-After"]) > 0


@pytest.mark.attack
def test_a_form_does_not_reveal_which_addresses_have_an_account(
    app: Flask, browser: FlaskClient
) -> None:
    taken = new_address()
    make(app, taken)
    seen = set()
    for address in (taken, new_address()):
        response = send(browser, EMAIL, {**PROOF, "email": address})
        page = re.sub(
            r'(nonce|value)="[^"]*"|request <code>.*?</code>', "", browser.get("/account").text
        )
        seen.add((response.status_code, response.location, page))

    assert len(seen) == 1
    assert emails(app, taken) == []


@pytest.mark.attack
def test_anonymous_users_and_other_sites_change_nothing(
    app: Flask, browser: FlaskClient, email: str, subtests: pytest.Subtests
) -> None:
    form = {**PROOF, "password": OTHER_PASSWORD, "email": new_address()}
    for path in (PASSWORD_PAGE, EMAIL, CLOSE):
        with subtests.test(f"without a login: {path}"):
            anonymous = app.test_client()
            assert anonymous.get(path).location == f"/login?next={path.replace('/', '%2F')}"
            submitted = {**form, "csrf_token": browsers.token(anonymous, "/login")}
            assert anonymous.post(path, data=submitted, headers=SENT).location == "/login"
        with subtests.test(f"no token: {path}"):
            assert browser.post(path, data=form, headers=SENT).status_code == 400
    assert log_in(app.test_client(), email).status_code == 200
