from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.api import PREFIX
from app.core.database import writing
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
from conftest import LogLines, MakeApp
from tests.database import CountQueries

ME = f"{PREFIX}/users/me"
REFRESH = f"{PREFIX}/auth/refresh"
CONFIRM = f"{PREFIX}/auth/email-change/confirm"


@pytest.fixture
def email(app: Flask) -> str:
    """Store an account; return its address."""
    address = new_address()
    make(app, address)
    return address


@pytest.fixture
def me(client: FlaskClient, email: str) -> dict[str, str]:
    """Return the Authorization header of the account's owner."""
    return bearer(logged_in(client, email))


def can_refresh(client: FlaskClient, tokens: dict[str, str]) -> bool:
    payload = {"refresh_token": tokens["refresh_token"]}
    return client.post(REFRESH, json=payload).status_code == 200


def test_one_query_returns_the_account_of_the_principal(
    app: Flask, client: FlaskClient, count_queries: CountQueries
) -> None:
    address = new_address()
    user_id = make(app, address)
    header = bearer(logged_in(client, address))

    with count_queries(1):
        response = client.get(ME, headers=header)

    assert response.status_code == 200
    account = response.json
    assert account is not None
    assert datetime.fromisoformat(account.pop("created_at")) <= datetime.now(UTC)
    assert account == {"id": str(user_id), "email": address, "role": "user"}


def test_a_new_password_ends_every_other_login(app: Flask, client: FlaskClient, email: str) -> None:
    mine, other = logged_in(client, email), logged_in(client, email)
    payload = {"current_password": PASSWORD, "password": OTHER_PASSWORD}

    assert client.post(f"{ME}/password", json=payload, headers=bearer(mine)).status_code == 204

    assert not can_refresh(client, other)
    assert can_refresh(client, mine)
    assert log_in(client, email, PASSWORD).status_code == 401
    assert log_in(client, email, OTHER_PASSWORD).status_code == 200
    ((subject, text),) = emails(app, email)
    assert "changed" in subject
    assert "password" in text


@pytest.mark.attack
def test_a_stolen_token_changes_nothing_without_the_password(
    client: FlaskClient, email: str, me: dict[str, str], subtests: pytest.Subtests
) -> None:
    for method, path, payload in (
        ("POST", f"{ME}/password", {"password": OTHER_PASSWORD}),
        ("POST", f"{ME}/email", {"email": "eve@evil.example"}),
        ("DELETE", ME, {}),
    ):
        with subtests.test(f"{method} {path}"):
            wrong = {**payload, "current_password": "a guess of somebody"}

            without = client.open(path, method=method, json=payload, headers=me)
            guessed = client.open(path, method=method, json=wrong, headers=me)

            assert without.status_code == 422
            assert guessed.status_code == 403
            assert guessed.json is not None
            assert guessed.json["code"] == "wrong_password"
    for _ in range(2):
        client.delete(ME, json={"current_password": "another guess"}, headers=me)
    with subtests.test("many guesses"):
        right = client.delete(ME, json={"current_password": PASSWORD}, headers=me)
        assert right.status_code == 429
    assert client.get(ME, headers=me).json["email"] == email  # type: ignore[index]  # it is an object


def test_each_confirmation_of_the_password_is_a_log_line_with_its_outcome(
    client: FlaskClient, me: dict[str, str], log_lines: LogLines
) -> None:
    payload = {"current_password": "a guess of somebody", "password": OTHER_PASSWORD}
    for current in ("a guess of somebody", PASSWORD):
        client.post(f"{ME}/password", json={**payload, "current_password": current}, headers=me)

    tries = [(line["message"], line["outcome"]) for line in log_lines if "outcome" in line]
    assert tries == [
        ("re-authentication failed", "wrong_password"),
        ("re-authentication succeeded", "success"),
    ]
    assert len({line["user.id"] for line in log_lines if "outcome" in line}) == 1
    assert "a guess of somebody" not in str(log_lines)
    assert PASSWORD not in str(log_lines)


def test_a_weak_new_password_is_refused(
    client: FlaskClient, email: str, me: dict[str, str]
) -> None:
    payload = {"current_password": PASSWORD, "password": email}

    response = client.post(f"{ME}/password", json=payload, headers=me)

    assert response.status_code == 422
    assert response.json is not None
    assert response.json["code"] == "weak_password"
    assert log_in(client, email).status_code == 200


def test_a_new_address_takes_effect_once_confirmed_and_the_old_one_gets_an_email(
    app: Flask, client: FlaskClient, email: str, me: dict[str, str]
) -> None:
    new = new_address()
    payload = {"current_password": PASSWORD, "email": new.upper()}

    response = client.post(f"{ME}/email", json=payload, headers=me)

    assert (response.status_code, response.data) == (202, b"")
    assert emails(app, email) == []
    assert log_in(client, new).status_code == 401
    link = {"token": token(app, new, "change-email")}
    assert client.post(CONFIRM, json=link).status_code == 204
    assert client.get(ME, headers=me).json["email"] == new  # type: ignore[index]  # it is an object
    assert log_in(client, email).status_code == 401
    assert log_in(client, new).status_code == 200
    ((_, text),) = emails(app, email)
    assert "another email address" in text
    assert new not in text
    assert client.post(CONFIRM, json=link).status_code == 400


@pytest.mark.attack
def test_changing_the_address_does_not_reveal_which_ones_are_taken(
    app: Flask, client: FlaskClient, email: str, me: dict[str, str]
) -> None:
    taken, free = new_address(), new_address()
    make(app, taken)

    responses = [
        client.post(f"{ME}/email", json={"current_password": PASSWORD, "email": new}, headers=me)
        for new in (taken, free, email)
    ]

    assert {(response.status_code, response.data) for response in responses} == {(202, b"")}
    assert emails(app, taken) == emails(app, email) == []
    # The link is invalid if another account has taken the address since.
    make(app, free)
    assert client.post(CONFIRM, json={"token": token(app, free, "change-email")}).status_code == 400
    assert log_in(client, email).status_code == 200


@pytest.mark.attack
def test_a_link_becomes_invalid_with_the_state_it_was_signed_for(
    app: Flask, client: FlaskClient, email: str, me: dict[str, str]
) -> None:
    new = new_address()
    reset = f"{PREFIX}/auth/password-reset"
    client.post(reset, json={"email": email})
    to_reset = {"token": token(app, email, "reset-password"), "password": "yet another long one"}
    payload = {"current_password": PASSWORD, "email": new}
    client.post(f"{ME}/email", json=payload, headers=me)
    to_change = {"token": token(app, new, "change-email")}

    payload = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
    assert client.post(f"{ME}/password", json=payload, headers=me).status_code == 204

    assert client.post(f"{reset}/confirm", json=to_reset).status_code == 400
    assert client.post(CONFIRM, json=to_change).status_code == 400
    assert log_in(client, email, OTHER_PASSWORD).status_code == 200


def test_a_closed_account_lets_nobody_in(app: Flask, client: FlaskClient, email: str) -> None:
    mine, other = logged_in(client, email), logged_in(client, email)
    client.post(f"{PREFIX}/auth/password-reset", json={"email": email})
    link = {"token": token(app, email, "reset-password"), "password": OTHER_PASSWORD}
    payload = {"current_password": PASSWORD}

    assert client.delete(ME, json=payload, headers=bearer(mine)).status_code == 204

    assert not can_refresh(client, mine)
    assert not can_refresh(client, other)
    assert client.post(f"{PREFIX}/auth/password-reset/confirm", json=link).status_code == 400
    refused = log_in(client, email)
    assert refused.status_code == 401
    assert refused.json is not None
    assert refused.json["code"] == "invalid_credentials"
    assert client.get(ME, headers=bearer(mine)).status_code == 404
    assert client.delete(ME, json=payload, headers=bearer(mine)).status_code == 403
    client.post(f"{PREFIX}/auth/password-reset", json={"email": email})
    assert emails(app, email) == []


def test_a_principal_without_an_account_has_nothing_to_change(client: FlaskClient) -> None:
    payload = {"current_password": PASSWORD, "password": OTHER_PASSWORD}

    assert client.post(f"{ME}/password", json=payload).status_code == 404


def test_an_operator_makes_administrators(app: Flask, client: FlaskClient) -> None:
    email = new_address()
    invoke = app.test_cli_runner().invoke

    made = invoke(args=["users", "create-admin", email.upper()], input=f"{PASSWORD}\n{PASSWORD}\n")

    assert "can log in" in made.output
    assert PASSWORD not in made.output
    found = client.get(ME, headers=bearer(logged_in(client, email))).json
    assert found is not None
    assert found["role"] == "admin"


def test_all_problems_of_a_new_administrator_are_reported_at_once(app: Flask) -> None:
    email = new_address()
    make(app, email)
    for address, password, messages in (
        (new_address(), "short", ["12 to 128"]),
        ("a@b", "a@b", ["12 to 128", "5 different", "email address"]),
        ("ada", PASSWORD, ["valid email address"]),
        (email, PASSWORD, ["has an account already"]),
    ):
        refused = app.test_cli_runner().invoke(
            args=["users", "create-admin", address, "--password-file", "-"], input=f"{password}\n"
        )

        assert refused.exit_code == 1
        for message in messages:
            assert message in refused.output


def test_an_old_password_hash_is_replaced_at_login(app: Flask, make_app: MakeApp) -> None:
    email = new_address()
    user_id = make(app, email)
    costlier = make_app(argon2_time_cost=2)

    logged_in(costlier.test_client(), email)

    with costlier.app_context(), writing() as transaction:
        assert "t=2" in transaction.get_one(User, user_id).password_hash
    logged_in(costlier.test_client(), email)
