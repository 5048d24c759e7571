import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.api import PREFIX
from app.users import attempts
from app.users.tests import PASSWORD, bearer, logged_in, make, new_address
from conftest import LogLines
from tests.browsers import ACCEPT, send, session_of, token, user_browser

PERSON = {"email": "ann@shop.example", "password": PASSWORD}


@pytest.fixture(autouse=True)
def _account(app: Flask) -> None:
    make(app, PERSON["email"])


def test_a_login_redirects_to_the_requested_page(client: FlaskClient) -> None:
    page = client.get("/account?next=").location
    response = send(client, page, PERSON)

    assert response.status_code == 303
    assert response.location == "/account?next="
    text = client.get(response.location).text
    assert "ann@shop.example" in text
    assert "Log out" in text
    assert client.get("/login?next=/account/password").location == "/account/password"


def test_a_logout_ends_the_session(client: FlaskClient) -> None:
    send(client, "/login", PERSON)
    copied = client.get_cookie("session")
    assert copied

    response = send(client, "/", {}, to="/logout")

    assert response.location == "/login"
    assert "You are logged out." in client.get("/login").text
    assert client.get("/account").status_code == 303
    client.set_cookie("session", copied.value)
    assert client.get("/account").status_code == 303
    assert send(client, "/login", {}, to="/logout").status_code == 303  # nothing left to end


def test_mistakes_are_named(client: FlaskClient) -> None:
    response = send(client, "/login", {"email": "", "password": "x" * 2_000})

    assert response.status_code == 422
    assert "Email address: Fill this in." in response.text
    assert "Password: Is too long." in response.text
    assert "xxx" not in response.text


def test_wrong_credentials_and_too_many_attempts_stay_on_the_page(client: FlaskClient) -> None:
    wrong = {**PERSON, "password": "a guess, not more"}
    responses = [send(client, "/login", wrong) for _ in range(attempts.LOGIN.pair + 1)]

    assert [response.status_code for response in responses] == [401] * attempts.LOGIN.pair + [429]
    assert "email address or the password is wrong" in responses[0].text
    assert "Too many" in responses[-1].text
    assert int(responses[-1].headers["Retry-After"]) > 0
    for response in responses:
        assert response.mimetype == "text/html"
        assert wrong["password"] not in response.text
    assert "user" not in session_of(client)


def test_each_try_at_the_page_is_a_line_with_its_outcome_and_account(
    app: Flask, log_lines: LogLines
) -> None:
    email = new_address()
    user_id = make(app, email)
    for typed, password in (
        (email, "a guess, not more"),
        (email, PASSWORD),
        (PASSWORD, "a guess, not more"),
    ):
        send(app.test_client(), "/login", {"email": typed, "password": password})

    wrong, right, lost = (line for line in log_lines if "outcome" in line)
    assert (wrong["outcome"], wrong["user.id"]) == ("invalid_credentials", str(user_id))
    assert (right["outcome"], right["user.id"]) == ("success", str(user_id))
    assert (lost["outcome"], lost.get("user.id")) == ("invalid_credentials", None)
    assert email not in str(log_lines)
    assert PASSWORD not in str(log_lines)


def test_logging_out_everywhere_ends_browser_sessions_too(client: FlaskClient) -> None:
    send(client, "/login", PERSON)
    tokens = logged_in(client, PERSON["email"])
    assert client.get("/account").status_code == 200

    client.post(f"{PREFIX}/auth/logout-everywhere", headers=bearer(tokens))

    assert client.get("/account").status_code == 303


@pytest.mark.attack
def test_nobody_is_led_to_another_site(app: Flask, subtests: pytest.Subtests) -> None:
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"):
        with subtests.test(f"the form: {target!r}"):
            response = send(app.test_client(), "/login", {**PERSON, "next": target})
            assert response.location == "/"
        with subtests.test(f"the link: {target!r}"):
            response = user_browser(app).get("/login", query_string={"next": target})
            assert response.location == "/"


@pytest.mark.attack
def test_a_session_from_before_the_login_is_not_valid_after_it(client: FlaskClient) -> None:
    before = token(client, "/login")
    planted = session_of(client)["csrf_token"]

    send(client, "/login", PERSON)

    assert session_of(client).get("csrf_token") != planted
    form = {"csrf_token": before}
    assert client.post("/logout", data=form, headers=ACCEPT).status_code == 400


@pytest.mark.attack
def test_nobody_is_logged_in_or_out_by_another_site(app: Flask, subtests: pytest.Subtests) -> None:
    client = user_browser(app)
    for path, form in (("/login", PERSON), ("/logout", {})):
        with subtests.test(path):
            assert client.post(path, data=form).status_code == 400
    assert "user" in session_of(client)


@pytest.mark.attack
def test_submitted_values_are_shown_as_text(client: FlaskClient) -> None:
    injected = "\"'><script>alert(1)</script>"

    response = send(client, "/login", {"email": injected, "password": "", "next": injected})

    assert "<script>alert" not in response.text
