from datetime import UTC, datetime
from unittest.mock import Mock

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.core.api import PREFIX
from app.core.database import reading, writing
from app.core.mail.recipients import EmailCategory
from app.settings import Settings
from app.users import attempts, service, signed_links
from app.users import emails as emails_module
from app.users.models import User
from app.users.signed_links import Purpose, links
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
    tokens,
)
from conftest import MakeApp
from tests.database import CountQueries

URL = f"{PREFIX}/users"
CONFIRM = f"{PREFIX}/auth/email-verification/confirm"
AGAIN = f"{PREFIX}/auth/email-verification"
RESET = f"{PREFIX}/auth/password-reset"
ATTACKERS_PASSWORD = "the password of an attacker"
ATTACKER_ADDRESSES = ("192.0.2.1", "198.51.100.1", "203.0.113.1")


def register(client: FlaskClient, email: str, password: str = PASSWORD) -> TestResponse:
    return client.post(URL, json={"email": email, "password": password})


def request(client: FlaskClient, url: str, email: str, address: str, **more: str) -> TestResponse:
    """Request an email from a network."""
    payload = {"email": email, **more}
    return client.post(url, json=payload, environ_base={"REMOTE_ADDR": address})


def test_an_account_can_be_used_once_its_address_is_confirmed(
    app: Flask, client: FlaskClient
) -> None:
    email = new_address()

    response = register(client, email.upper())

    assert (response.status_code, response.data) == (202, b"")
    assert log_in(client, email).status_code == 401
    link = {"token": token(app, email, "verify-email")}
    assert client.post(CONFIRM, json=link).status_code == 204
    assert log_in(client, email).status_code == 200
    again = client.post(CONFIRM, json=link)
    assert again.status_code == 400
    assert again.json is not None
    assert again.json["code"] == "invalid_link"


def test_a_user_without_the_email_gets_a_link_to_choose_a_password(
    app: Flask, client: FlaskClient
) -> None:
    email = new_address()
    register(client, email)
    first = token(app, email, "verify-email")

    assert client.post(AGAIN, json={"email": email}).status_code == 202

    link = {"token": token(app, email, "reset-password"), "password": OTHER_PASSWORD}
    assert client.post(CONFIRM, json={"token": first}).status_code == 400
    assert client.post(f"{RESET}/confirm", json=link).status_code == 204
    assert log_in(client, email, OTHER_PASSWORD).status_code == 200


def test_without_required_confirmation_an_account_can_be_used_at_once(make_app: MakeApp) -> None:
    app = make_app(email_confirmation_required=False)
    client, email = app.test_client(), new_address()

    assert register(client, email).status_code == 202

    assert log_in(client, email).status_code == 200
    assert emails(app, email) == []
    # Nobody else can void it, and the owner of the mailbox can take it over.
    register(client, email, ATTACKERS_PASSWORD)
    assert log_in(client, email).status_code == 200
    ((subject, _),) = emails(app, email)
    assert subject.startswith("You already have an account")
    client.post(RESET, json={"email": email})
    link = {"token": token(app, email, "reset-password"), "password": OTHER_PASSWORD}
    assert client.post(f"{RESET}/confirm", json=link).status_code == 204
    assert log_in(client, email).status_code == 401


def test_addresses_that_nobody_confirms_are_worth_a_warning(production: dict[str, str]) -> None:
    def warned(**values: object) -> list[str]:
        settings = Settings.model_validate({**production, **values})
        return [each for each in settings.warnings() if "CONFIRMATION" in each]

    assert warned() == []
    (warning,) = warned(email_confirmation_required=False)
    assert warning.startswith("EMAIL_CONFIRMATION_REQUIRED is false: anyone can register")


@pytest.mark.attack
def test_registering_does_not_reveal_which_addresses_are_taken(
    app: Flask, client: FlaskClient
) -> None:
    taken, free, closed = new_address(), new_address(), new_address()
    make(app, taken)
    make(app, closed, deactivated_at=datetime.now(UTC))

    responses = [register(client, email, OTHER_PASSWORD) for email in (taken, free, closed)]

    assert {(response.status_code, response.data) for response in responses} == {(202, b"")}
    # A later login reveals nothing either.
    tries = [log_in(client, email, OTHER_PASSWORD) for email in (taken, free, closed)]
    assert {(each.status_code, (each.json or {})["code"]) for each in tries} == {
        (401, "invalid_credentials")
    }
    # Only the owner of the mailbox learns it.
    assert emails(app, taken)[0][0].startswith("You already have an account")
    assert emails(app, free)[0][0].startswith("Confirm your address")
    assert emails(app, closed) == []
    assert log_in(client, taken).status_code == 200


@pytest.mark.attack
def test_registering_sends_the_same_queries_for_any_address(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, count_queries: CountQueries
) -> None:
    monkeypatch.setattr(service, "add_email", Mock())
    taken, unconfirmed, closed, free = (new_address() for _ in range(4))
    make(app, taken)
    make(app, unconfirmed, email_verified_at=None)
    make(app, closed, deactivated_at=datetime.now(UTC))

    for email in (taken, unconfirmed, closed, free):
        # account; attempt; counts; known network; savepoint, account, its end; void; account
        with count_queries(9):
            assert register(client, email).status_code == 202


@pytest.mark.attack
@pytest.mark.parametrize("sequence", ["attacker first", "owner first"])
@pytest.mark.parametrize("url", [AGAIN, URL])
def test_registering_the_address_of_somebody_else_gains_nothing(
    app: Flask, client: FlaskClient, sequence: str, url: str
) -> None:
    email = new_address()
    passwords = [ATTACKERS_PASSWORD, PASSWORD]
    for password in passwords if sequence == "attacker first" else passwords[::-1]:
        register(client, email, password)
    payload = {"email": email, "password": ATTACKERS_PASSWORD} if url == URL else {"email": email}
    client.post(url, json=payload)

    # The owner may follow any of these links, in any order.
    signed_links = tokens(app, email)
    assert len(signed_links) == 3
    for purpose, link in signed_links:
        if purpose == "verify-email":
            client.post(CONFIRM, json={"token": link})
        assert log_in(client, email, ATTACKERS_PASSWORD).status_code == 401
    _, newest = signed_links[-1]
    chosen = {"token": newest, "password": OTHER_PASSWORD}
    assert client.post(f"{RESET}/confirm", json=chosen).status_code == 204

    assert log_in(client, email, OTHER_PASSWORD).status_code == 200
    assert log_in(client, email, ATTACKERS_PASSWORD).status_code == 401
    for purpose, link in signed_links:
        endpoint = CONFIRM if purpose == "verify-email" else f"{RESET}/confirm"
        dead = {"token": link} if purpose == "verify-email" else {**chosen, "token": link}
        assert client.post(endpoint, json=dead).status_code == 400


@pytest.mark.attack
def test_the_owner_can_use_an_address_that_somebody_else_has_registered(
    app: Flask, client: FlaskClient
) -> None:
    mine, wanted, of_admin = (new_address() for _ in range(3))
    make(app, mine)
    for each in (wanted, of_admin):
        register(client, each, ATTACKERS_PASSWORD)
    registrant_token = token(app, wanted, "verify-email")

    payload = {"current_password": PASSWORD, "email": wanted}
    client.post(f"{URL}/me/email", json=payload, headers=bearer(logged_in(client, mine)))
    link = {"token": token(app, wanted, "change-email")}
    assert client.post(f"{PREFIX}/auth/email-change/confirm", json=link).status_code == 204
    result = app.test_cli_runner().invoke(
        args=["users", "create-admin", of_admin, "--password-file", "-"], input=f"{PASSWORD}\n"
    )

    assert "can log in" in result.output
    for each in (wanted, of_admin):
        assert log_in(client, each).status_code == 200
        assert log_in(client, each, ATTACKERS_PASSWORD).status_code == 401
    assert client.post(CONFIRM, json={"token": registrant_token}).status_code == 400


@pytest.mark.attack
def test_no_login_from_before_the_confirmation_goes_on(app: Flask, client: FlaskClient) -> None:
    email = new_address()
    user_id = make(app, email)
    held = logged_in(client, email)
    # For each reason why the address is unconfirmed.
    with app.app_context(), writing() as transaction:
        transaction.get_one(User, user_id).email_verified_at = None
    client.post(RESET, json={"email": email})
    reset = token(app, email, "reset-password")
    with app.app_context():
        link = signed_links.Link(
            user_id, links.current.open(Purpose.RESET_PASSWORD, reset).state, email
        )
        confirmation = links.current.to(Purpose.VERIFY_EMAIL, link).partition("token=")[2]

    assert client.post(CONFIRM, json={"token": confirmation}).status_code == 204

    refresh = {"refresh_token": held["refresh_token"]}
    assert client.post(f"{PREFIX}/auth/refresh", json=refresh).status_code == 401


@pytest.mark.attack
def test_nobody_chooses_more_than_address_and_password(app: Flask, client: FlaskClient) -> None:
    email = new_address()
    for name in ("role", "id", "email_verified_at", "verified", "version", "scopes", "is_admin"):
        payload = {"email": email, "password": PASSWORD, name: "admin"}
        assert client.post(URL, json=payload).status_code == 422, name

    register(client, email)
    with app.app_context(), reading() as connection:
        query = select(User.role, User.email_verified_at).where(User.email == email)
        assert connection.execute(query).one() == ("user", None)


def test_all_problems_of_a_registration_are_reported_at_once(
    app: Flask, client: FlaskClient
) -> None:
    for payload, code, pointers in (
        ({}, "validation_failed", ["#/email", "#/password"]),
        ({"email": "ada", "password": PASSWORD}, "validation_failed", ["#/email"]),
        ({"email": 1, "password": 1}, "validation_failed", ["#/email", "#/password"]),
        ({"email": "a@b", "password": "a@b"}, "validation_failed", ["#/password"]),
        ({"email": "a@b", "password": "a@b" + "a" * 9}, "weak_password", ["#/password"] * 3),
        ({"email": "a@b", "password": "x" * 1_025}, "validation_failed", ["#/password"]),
    ):
        response = client.post(URL, json=payload)

        assert response.status_code == 422, payload
        assert response.json is not None
        assert response.json["code"] == code, payload
        assert sorted(error["pointer"] for error in response.json["errors"]) == pointers, payload
    assert emails(app, "a@b") == []


def test_registration_can_be_closed(make_app: MakeApp) -> None:
    client = make_app(registration_open=False).test_client()

    response = register(client, new_address())

    assert response.status_code == 403
    assert response.json is not None
    assert response.json["code"] == "registration_closed"


@pytest.mark.attack
def test_nobody_fills_the_mailbox_of_somebody_else(app: Flask, client: FlaskClient) -> None:
    email = new_address()
    make(app, email)

    responses = [request(client, RESET, email, f"192.0.2.{n}") for n in range(10)]
    responses += [request(client, URL, email, f"192.0.2.{n}", password=PASSWORD) for n in range(10)]

    assert {(response.status_code, response.data) for response in responses} == {(202, b"")}
    assert len(emails(app, email)) == 3


@pytest.mark.attack
def test_one_network_has_few_emails_sent_about_one_account_and_is_stopped_after_many(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emails_module, "REQUESTED", EmailCategory("requested"))  # limit: six
    email = new_address()
    make(app, email)

    responses = [request(client, RESET, email, ATTACKER_ADDRESSES[0]) for _ in range(5)]

    assert {response.status_code for response in responses} == {202}
    assert len(emails(app, email)) == attempts.EMAIL.pair
    others = [request(client, RESET, new_address(), ATTACKER_ADDRESSES[0]) for _ in range(20)]
    statuses = [response.status_code for response in others]
    assert statuses == [202] * 17 + [429] * 3  # refused requests do not count
    assert 3_590 <= int(others[-1].headers["Retry-After"]) <= 3_600


@pytest.mark.attack
def test_an_attacker_cannot_keep_the_owner_from_a_reset(app: Flask, client: FlaskClient) -> None:
    email, other = new_address(), new_address()
    for each in (email, other):
        make(app, each)
        logged_in(client, each)  # from 127.0.0.1, a known network from now on
    for number in range(12):
        request(client, RESET, email, ATTACKER_ADDRESSES[number % 2])
    # An attacker with another account, in a network that is known for that account.
    payload = {"current_password": PASSWORD, "email": email}
    client.post(f"{URL}/me/email", json=payload, headers=bearer(logged_in(client, other)))
    unrequested = emails(app, email)

    response = request(client, RESET, email, "127.0.0.1")

    assert len(unrequested) == 3
    assert response.status_code == 202
    link = {"token": token(app, email, "reset-password"), "password": OTHER_PASSWORD}
    assert client.post(f"{RESET}/confirm", json=link).status_code == 204
    assert log_in(client, email, OTHER_PASSWORD).status_code == 200


@pytest.mark.attack
def test_an_attacker_cannot_keep_a_new_user_from_registering(
    app: Flask, client: FlaskClient
) -> None:
    email = new_address()
    for number in range(12):
        route = (RESET, AGAIN)[number % 2]
        assert request(client, route, email, ATTACKER_ADDRESSES[number % 3]).status_code == 202

    assert register(client, email).status_code == 202

    link = {"token": token(app, email, "verify-email")}
    assert client.post(CONFIRM, json=link).status_code == 204
    assert log_in(client, email).status_code == 200


@pytest.mark.attack
def test_an_attacker_who_changes_to_an_address_cannot_keep_a_new_user_from_registering(
    app: Flask, client: FlaskClient
) -> None:
    email, other = new_address(), new_address()
    make(app, other)
    held = bearer(logged_in(client, other))
    for number in range(12):
        client.post(
            f"{URL}/me/email",
            json={"current_password": PASSWORD, "email": email},
            headers=held,
            environ_base={"REMOTE_ADDR": ATTACKER_ADDRESSES[number % 3]},
        )
    assert [purpose for purpose, _ in tokens(app, email)] == ["change-email"] * 3

    assert register(client, email).status_code == 202

    assert (
        client.post(CONFIRM, json={"token": token(app, email, "verify-email")}).status_code == 204
    )


@pytest.mark.attack
def test_an_attacker_cannot_invalidate_a_link_that_cannot_be_sent_again(
    app: Flask, client: FlaskClient
) -> None:
    email = new_address()
    assert (
        request(client, URL, email, ATTACKER_ADDRESSES[0], password=ATTACKERS_PASSWORD).status_code
        == 202
    )
    for route in (RESET, RESET, AGAIN, AGAIN):
        assert request(client, route, email, ATTACKER_ADDRESSES[1]).status_code == 202

    _, *signed_links = tokens(app, email)
    assert request(client, URL, email, "127.0.0.1", password=PASSWORD).status_code == 202

    assert len(signed_links) == 2
    chosen = [{"token": link, "password": OTHER_PASSWORD} for _, link in signed_links]
    responses = [client.post(f"{RESET}/confirm", json=each).status_code for each in chosen]
    assert 204 in responses
    assert log_in(client, email, OTHER_PASSWORD).status_code == 200
