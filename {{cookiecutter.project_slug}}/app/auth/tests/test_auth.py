import base64
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app.auth import service
from app.core import access
from app.core.access.tokens import tokens
from app.core.api import PREFIX
from app.core.database import writing
from app.roles import Role
from app.sessions.models import LoginSession
from app.users import service as users
from app.users.models import User
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
from conftest import LogLines

AUTH = f"{PREFIX}/auth"


@pytest.fixture
def email(app: Flask) -> str:
    """Store an account; return its address."""
    address = new_address()
    make(app, address)
    return address


def refresh(client: FlaskClient, held: dict[str, str]) -> tuple[int, dict[str, str]]:
    response = client.post(f"{AUTH}/refresh", json={"refresh_token": held["refresh_token"]})
    return response.status_code, response.json or {}


def reset_token(app: Flask, client: FlaskClient, email: str) -> str:
    response = client.post(f"{AUTH}/password-reset", json={"email": email})
    assert (response.status_code, response.data) == (202, b"")
    return token(app, email, "reset-password")


def test_a_login_returns_tokens_of_the_account(app: Flask, client: FlaskClient) -> None:
    for role in Role:
        email = new_address()
        user_id = make(app, email, role=role)

        response = log_in(client, email.upper())

        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        token_response = response.json
        assert token_response is not None
        assert token_response.keys() == {
            "access_token",
            "token_type",
            "expires_in",
            "refresh_token",
        }
        assert (token_response["token_type"], token_response["expires_in"]) == ("Bearer", 600)
        principal = tokens.of(app).verify(token_response["access_token"])
        with app.app_context():
            assert (principal.id, principal.scopes) == (user_id, access.scopes_of(role))
        assert principal.session is not None


def test_pages_log_in_by_the_service(app: Flask, email: str) -> None:
    with app.test_request_context():
        login = service.log_in(email, PASSWORD, "192.0.2.1")
        service.log_out(login.principal.session)

        with pytest.raises(service.InvalidRefreshToken):
            service.refresh(login.refresh_token)
        with pytest.raises(service.InvalidCredentials):
            service.log_in(email, OTHER_PASSWORD, "192.0.2.1")


def test_wrong_credentials_are_refused_alike(app: Flask, client: FlaskClient, email: str) -> None:
    unconfirmed = new_address()
    make(app, unconfirmed, email_verified_at=None)
    responses = [
        log_in(client, address, password)
        for address, password in (
            (email, OTHER_PASSWORD),
            (email, PASSWORD[:-1]),
            (email, PASSWORD + " "),
            (unconfirmed, PASSWORD),
            (new_address(), PASSWORD),
        )
    ]

    bodies = [{**(response.json or {}), "request_id": ""} for response in responses]
    assert bodies == bodies[:1] * len(bodies)
    assert bodies[0]["code"] == "invalid_credentials"
    assert {response.status_code for response in responses} == {401}
    assert {response.headers["WWW-Authenticate"] for response in responses} == {"Bearer"}


@pytest.mark.attack
def test_an_invalid_address_logs_nobody_in(
    client: FlaskClient, email: str, subtests: pytest.Subtests
) -> None:
    for address in ("not an address", f" {email}", f"{email}\0", "' OR 1=1 --", ""):
        with subtests.test(address):
            response = log_in(client, address, PASSWORD)

            assert response.status_code == 422
            assert response.json is not None
            assert [each["pointer"] for each in response.json["errors"]] == ["#/email"]


def test_a_login_goes_on_with_the_rights_that_the_account_has_now(
    app: Flask, client: FlaskClient
) -> None:
    email = new_address()
    user_id = make(app, email, role=Role.ADMIN)
    first = logged_in(client, email)
    with app.app_context(), writing() as transaction:
        transaction.get_one(User, user_id).role = Role.USER

    status, second = refresh(client, first)

    assert status == 200
    before, after = (tokens.of(app).verify(each["access_token"]) for each in (first, second))
    assert after.session == before.session
    with app.app_context():
        assert after.scopes == access.scopes_of(Role.USER)
    assert refresh(client, second)[0] == 200


@pytest.mark.attack
def test_a_session_is_not_refreshed_after_its_end_or_without_its_account(
    app: Flask, client: FlaskClient, subtests: pytest.Subtests
) -> None:
    yesterday = datetime.now(UTC) - timedelta(1)
    for name, change in (
        ("a closed account", update(User).values(deactivated_at=yesterday)),
        ("an expired login", update(LoginSession).values(expires_at=yesterday)),
        ("a login that ended", update(LoginSession).values(ended_at=yesterday)),
    ):
        with subtests.test(name):
            email = new_address()
            make(app, email)
            held = logged_in(client, email)
            with app.app_context(), writing() as transaction:
                transaction.execute(change)

            status, problem = refresh(client, held)

            assert status == 401
            assert problem["code"] == "invalid_refresh_token"
    with subtests.test("an access token"):
        assert refresh(client, {"refresh_token": held["access_token"]})[0] == 401
    with subtests.test("a refresh token as an access token"):
        header = bearer({"access_token": held["refresh_token"]})
        assert client.get(f"{PREFIX}/users/me", headers=header).status_code == 401


@pytest.mark.attack
def test_a_refresh_token_used_again_ends_the_login(client: FlaskClient, email: str) -> None:
    stolen = logged_in(client, email)
    _, second = refresh(client, stolen)
    status, newest = refresh(client, second)
    assert status == 200

    assert refresh(client, stolen)[0] == 401
    assert refresh(client, newest)[0] == 401


def test_two_tabs_that_refresh_at_once_stay_logged_in(client: FlaskClient, email: str) -> None:
    held = logged_in(client, email)

    (_, one), (status, other) = refresh(client, held), refresh(client, held)

    assert status == 200
    assert one["refresh_token"] == other["refresh_token"]
    for tab in (one, other):
        assert client.get(f"{PREFIX}/users/me", headers=bearer(tab)).status_code == 200
    assert refresh(client, one)[0] == refresh(client, other)[0] == 200


@pytest.mark.attack
def test_the_id_in_an_access_token_does_not_end_its_login(
    app: Flask, client: FlaskClient, email: str
) -> None:
    held = logged_in(client, email)
    login = tokens.of(app).verify(held["access_token"]).session
    assert login is not None
    for length in (32, 44):
        made_up = base64.urlsafe_b64encode(login.bytes + bytes(length)).decode()
        assert refresh(client, {"refresh_token": made_up})[0] == 401

    assert refresh(client, held)[0] == 200


def test_logging_out_ends_this_login_or_all(client: FlaskClient, email: str) -> None:
    first, second, third, fourth = (logged_in(client, email) for _ in range(4))

    assert client.post(f"{AUTH}/logout", headers=bearer(first)).status_code == 204
    assert refresh(client, first)[0] == 401
    status, second = refresh(client, second)
    assert status == 200

    assert client.post(f"{AUTH}/logout-everywhere", headers=bearer(third)).status_code == 204
    assert [refresh(client, each)[0] for each in (second, third, fourth)] == [401] * 3


def test_a_reset_link_sets_a_new_password_once(app: Flask, client: FlaskClient, email: str) -> None:
    held = logged_in(client, email)
    link = {"token": reset_token(app, client, email), "password": OTHER_PASSWORD}

    weak = client.post(f"{AUTH}/password-reset/confirm", json={**link, "password": "a" * 12})
    assert weak.status_code == 422
    assert weak.json is not None
    assert weak.json["code"] == "weak_password"
    assert client.post(f"{AUTH}/password-reset/confirm", json=link).status_code == 204

    assert client.post(f"{AUTH}/password-reset/confirm", json=link).status_code == 400
    assert refresh(client, held)[0] == 401
    assert log_in(client, email, PASSWORD).status_code == 401
    assert log_in(client, email, OTHER_PASSWORD).status_code == 200
    assert "password has been changed" in emails(app, email)[0][1]


@pytest.mark.attack
def test_requesting_emails_does_not_reveal_which_accounts_exist(
    app: Flask, client: FlaskClient, email: str
) -> None:
    closed, missing = new_address(), new_address()
    make(app, closed, deactivated_at=datetime.now(UTC))
    for route in ("password-reset", "email-verification"):
        responses = [
            client.post(f"{AUTH}/{route}", json={"email": each})
            for each in (email, closed, missing)
        ]

        assert {(response.status_code, response.data) for response in responses} == {(202, b"")}
    assert emails(app, closed) == emails(app, missing) == []
    assert len(emails(app, email)) == 1


@pytest.mark.attack
def test_a_link_never_leads_where_a_request_says(
    app: Flask, client: FlaskClient, email: str
) -> None:
    client.post(
        f"{AUTH}/password-reset",
        json={"email": email},
        headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"},
    )

    ((_, text),) = emails(app, email)
    assert "http://127.0.0.1:8000/account/reset-password?token=" in text
    assert "evil" not in text


@pytest.mark.attack
def test_a_link_for_one_purpose_is_refused_for_every_other(
    app: Flask, client: FlaskClient, email: str
) -> None:
    link = {"token": reset_token(app, client, email)}

    for endpoint in ("email-verification", "email-change"):
        assert client.post(f"{AUTH}/{endpoint}/confirm", json=link).status_code == 400, endpoint


@pytest.mark.attack
def test_a_password_that_changes_during_a_login_ends_that_one_too(app: Flask, email: str) -> None:
    with app.test_request_context():
        proven = users.authenticate(email, PASSWORD, "192.0.2.1")
        with writing() as transaction:
            transaction.get_one(User, proven.id).password_hash = "another"

        with writing() as transaction, pytest.raises(users.InvalidCredentials):
            users.lock_authenticated(transaction, proven)


def test_each_try_to_log_in_is_a_line_with_its_outcome_and_account(
    app: Flask, client: FlaskClient, log_lines: LogLines
) -> None:
    email = new_address()
    user_id = make(app, email)

    held = logged_in(client, email)
    refresh(client, refresh(client, held)[1])
    responses = [refresh(client, held)[1]]
    responses += [log_in(client, email, OTHER_PASSWORD).json or {} for _ in range(6)]
    refresh(client, {"refresh_token": "A" * 64})
    log_in(client, new_address(), OTHER_PASSWORD)
    # Users sometimes type the password into the address field.
    log_in(client, PASSWORD, OTHER_PASSWORD)

    tries = [(line["message"], line["outcome"]) for line in log_lines if "outcome" in line]
    known, unknown = tries[:10], tries[10:]
    assert known == [
        ("login succeeded", "success"),
        ("refresh succeeded", "success"),
        ("refresh succeeded", "success"),
        ("refresh failed", "invalid_refresh_token"),
        *[("login failed", "invalid_credentials")] * 5,
        ("login failed", "too_many_attempts"),
    ]
    assert unknown == [
        ("refresh failed", "invalid_refresh_token"),
        ("login failed", "invalid_credentials"),
    ]
    user_ids = [line.get("user.id") for line in log_lines if "outcome" in line]
    assert user_ids == [str(user_id)] * 10 + [None] * 2
    assert str(user_id) not in str(responses)
    assert email not in str(log_lines)
    assert PASSWORD not in str(log_lines)


@pytest.mark.attack
def test_no_log_line_holds_a_password_a_token_or_an_address(
    app: Flask, client: FlaskClient, log_lines: LogLines
) -> None:
    email = new_address()
    client.post(f"{PREFIX}/users", json={"email": email, "password": PASSWORD})
    link = token(app, email, "verify-email")
    client.post(f"{AUTH}/email-verification/confirm", json={"token": link})
    held = logged_in(client, email)
    _, renewed = refresh(client, held)
    client.get(f"{PREFIX}/users/me", headers=bearer(renewed))
    refresh(client, held)
    log_in(client, email, OTHER_PASSWORD)
    forgotten = reset_token(app, client, email)
    client.post(
        f"{AUTH}/password-reset/confirm?token={forgotten}",
        json={"token": forgotten, "password": OTHER_PASSWORD, "unknown": OTHER_PASSWORD},
    )

    assert len(log_lines) > 9
    written = str(log_lines)
    for secret in (
        PASSWORD,
        OTHER_PASSWORD,
        email,
        link,
        forgotten,
        *(each[name] for each in (held, renewed) for name in ("access_token", "refresh_token")),
    ):
        assert secret not in written
