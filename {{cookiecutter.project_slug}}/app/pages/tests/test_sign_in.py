import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth import service
from tests.browsers import ACCEPT, send, session_of, token, visitor

PERSON = {"email": "ann@shop.example", "password": "correct horse battery"}


def test_whoever_signs_in_is_led_on(client: FlaskClient) -> None:
    page = client.get("/?cursor=").location
    answer = send(client, page, PERSON)

    assert answer.status_code == 303
    assert answer.location == "/?cursor="
    shown = client.get(answer.location).text
    assert "ann@shop.example" in shown
    assert "Sign out" in shown
    assert client.get("/sign-in?next=/orders/new").location == "/orders/new"


def test_whoever_signs_out_ends_the_login(client: FlaskClient) -> None:
    send(client, "/sign-in", PERSON)

    answer = send(client, "/", {}, to="/sign-out")

    assert answer.location == "/sign-in"
    assert "You are signed out." in client.get("/sign-in").text
    assert client.get("/").status_code == 303
    assert service.ended
    assert send(client, "/sign-in", {}, to="/sign-out").status_code == 303  # nothing left to end


def test_mistakes_are_named(client: FlaskClient) -> None:
    answer = send(client, "/sign-in", {"email": "", "password": "x" * 2_000})

    assert answer.status_code == 422
    assert "E-mail address: Fill this in." in answer.text
    assert "Password: Is too long." in answer.text
    assert "xxx" not in answer.text


def test_wrong_credentials_and_too_many_attempts_stay_on_the_page(client: FlaskClient) -> None:
    for password, status, sentence in (
        ("a guess", 401, "is wrong."),
        ("too often from 127.0.0.1", 429, "try again later."),
    ):
        answer = send(client, "/sign-in", {**PERSON, "password": password})

        assert answer.status_code == status
        assert answer.mimetype == "text/html"
        assert sentence in answer.text
        assert password not in answer.text
    assert answer.headers["Retry-After"] == "60"
    assert "visitor" not in session_of(client)


@pytest.mark.attack
def test_nobody_is_led_to_another_site(app: Flask, subtests: pytest.Subtests) -> None:
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"):
        with subtests.test(f"the form: {target!r}"):
            answer = send(app.test_client(), "/sign-in", {**PERSON, "next": target})
            assert answer.location == "/"
        with subtests.test(f"the link: {target!r}"):
            answer = visitor(app).get("/sign-in", query_string={"next": target})
            assert answer.location == "/"


@pytest.mark.attack
def test_a_session_from_before_is_worth_nothing_after_signing_in(client: FlaskClient) -> None:
    before = token(client, "/sign-in")
    planted = session_of(client)["csrf_token"]

    send(client, "/sign-in", PERSON)

    assert session_of(client).get("csrf_token") != planted
    form = {"csrf_token": before}
    assert client.post("/sign-out", data=form, headers=ACCEPT).status_code == 400


@pytest.mark.attack
def test_nobody_is_signed_in_or_out_by_another_site(app: Flask, subtests: pytest.Subtests) -> None:
    client = visitor(app)
    for path, form in (("/sign-in", PERSON), ("/sign-out", {})):
        with subtests.test(path):
            assert client.post(path, data=form).status_code == 400
    assert client.get("/").status_code == 200


@pytest.mark.attack
def test_what_was_typed_is_shown_as_text(client: FlaskClient) -> None:
    injected = "\"'><script>alert(1)</script>"

    answer = send(client, "/sign-in", {"email": injected, "password": "", "next": injected})

    assert "<script>alert" not in answer.text
