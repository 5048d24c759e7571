from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.api import PREFIX
from app.roles import Role
from app.users.tests import PASSWORD, bearer, log_in, logged_in, make
from conftest import MakeApp, authorization, body, user_id
from tests import toy
from tests.database import CountQueries

URL = f"{PREFIX}/admin/users"
AUDIT = f"{PREFIX}/admin/audit"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    """Return a client of an administrator with an account."""
    make(app, "root@shop.example", id=user_id(app, "admin"), role=Role.ADMIN, created_at=NOON)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = authorization(app, "admin")
    return client


@pytest.fixture
def ann(app: Flask) -> UUID:
    """Store the account of an ordinary user; return its id."""
    return make(app, "ann@shop.example", created_at=NOON + timedelta(1))


def change(client: FlaskClient, user_id: UUID, what: str) -> TestResponse:
    """Change an account: "deactivate", "activate" or the name of a role."""
    if what in list(Role):
        return client.put(f"{URL}/{user_id}/role", json={"role": what})
    return client.post(f"{URL}/{user_id}/{what}")


def emails(page: dict[str, Any]) -> list[str]:
    return [account["email"] for account in page["items"]]


def actions(client: FlaskClient) -> list[str]:
    return [entry["action"] for entry in body(client.get(AUDIT))["items"]]


def test_an_administrator_sees_accounts_newest_first_a_page_at_a_time(
    admin: FlaskClient, ann: UUID, count_queries: CountQueries
) -> None:
    with count_queries(2):  # the administrator, and the page
        first = body(admin.get(URL, query_string={"limit": 1}))
    rest = body(admin.get(URL, query_string={"limit": 1, "cursor": first["next_cursor"]}))

    assert (emails(first), emails(rest)) == (["ann@shop.example"], ["root@shop.example"])
    assert rest["next_cursor"] is None
    with count_queries(2):
        assert body(admin.get(f"{URL}/{ann}")) == first["items"][0]
    assert first["items"][0].keys() == {
        "id",
        "email",
        "role",
        "created_at",
        "email_verified_at",
        "deactivated_at",
    }


def test_an_account_is_found_by_its_whole_address_alone(admin: FlaskClient, ann: UUID) -> None:
    for email, found in (
        ("Ann@shop.example", ["ann@shop.example"]),
        ("ann@shop.exampl", []),
        ("nn@shop.example", []),
    ):
        assert emails(body(admin.get(URL, query_string={"email": email}))) == found
    (account,) = body(admin.get(URL, query_string={"email": "ann@shop.example"}))["items"]
    assert account["id"] == str(ann)


@pytest.mark.attack
def test_no_pattern_finds_an_account(
    admin: FlaskClient, ann: UUID, subtests: pytest.Subtests
) -> None:
    for email in (
        "%",
        "%@shop.example",
        "ann@shop.example%",
        "ann_shop.example",
        "' OR 1=1 --",
        "",
    ):
        with subtests.test(email):
            response = admin.get(URL, query_string={"email": email})

            assert response.status_code == 422 or body(response)["items"] == []
            assert str(ann) not in response.text


def test_an_account_is_taken_out_of_use_with_every_login_and_used_again(
    client: FlaskClient, admin: FlaskClient, ann: UUID, count_queries: CountQueries
) -> None:
    login = logged_in(client, "ann@shop.example")

    # the administrator, both accounts, this one, its sessions, the audit entry
    with count_queries(5):
        closed = change(admin, ann, "deactivate")

    assert body(closed)["deactivated_at"]
    assert body(admin.get(f"{URL}/{ann}")) == body(closed)
    assert log_in(client, "ann@shop.example").status_code == 401
    refreshed = client.post(
        f"{PREFIX}/auth/refresh", json={"refresh_token": login["refresh_token"]}
    )
    assert refreshed.status_code == 401
    opened = change(admin, ann, "activate")
    assert body(opened) == {**body(closed), "deactivated_at": None}
    assert log_in(client, "ann@shop.example").status_code == 200
    assert actions(admin) == ["user.activate", "user.deactivate"]


def test_a_user_with_a_changed_role_logs_in_again_and_has_its_scopes(
    client: FlaskClient, admin: FlaskClient, ann: UUID
) -> None:
    login = logged_in(client, "ann@shop.example")
    token = {"refresh_token": login["refresh_token"]}

    assert body(change(admin, ann, "admin"))["role"] == "admin"

    assert client.post(f"{PREFIX}/auth/refresh", json=token).status_code == 401
    promoted = bearer(logged_in(client, "ann@shop.example"))
    assert client.get(URL, headers=promoted).status_code == 200
    assert body(change(admin, ann, "user"))["role"] == "user"
    demoted = bearer(logged_in(client, "ann@shop.example"))
    assert client.get(URL, headers=demoted).status_code == 403
    assert actions(admin) == ["user.role.user", "user.role.admin"]


def test_a_change_without_effect_is_a_conflict_and_leaves_no_entry(
    client: FlaskClient, admin: FlaskClient, ann: UUID
) -> None:
    login = logged_in(client, "ann@shop.example")
    for what in ("activate", "user"):
        response = change(admin, ann, what)

        assert (response.status_code, body(response)["code"]) == (409, "account_unchanged")
    change(admin, ann, "deactivate")
    assert change(admin, ann, "deactivate").status_code == 409
    assert change(admin, uuid4(), "admin").status_code == 404
    assert actions(admin) == ["user.deactivate"]
    assert client.get(f"{PREFIX}/users/me", headers=bearer(login)).status_code == 404


def test_nobody_takes_an_account_or_a_role_from_themselves(app: Flask, admin: FlaskClient) -> None:
    own = user_id(app, "admin")
    before = body(admin.get(f"{URL}/{own}"))
    for what in ("deactivate", "activate", "user", "admin"):
        response = change(admin, own, what)

        assert (response.status_code, body(response)["code"]) == (409, "own_account")
    assert body(admin.get(f"{URL}/{own}")) == before
    assert actions(admin) == []


@pytest.mark.attack
def test_a_former_administrator_changes_no_account_with_an_old_token(
    app: Flask, client: FlaskClient, admin: FlaskClient, ann: UUID, subtests: pytest.Subtests
) -> None:
    change(admin, ann, "admin")
    ann_then = app.test_client()
    ann_then.environ_base["HTTP_AUTHORIZATION"] = bearer(logged_in(client, "ann@shop.example"))[
        "Authorization"
    ]
    bob = make(app, "bob@shop.example")
    for undo, taken in (("user", "admin"), ("deactivate", "activate")):
        change(admin, ann, undo)
        for victim in (user_id(app, "admin"), bob):
            for what in ("deactivate", "admin", "user"):
                with subtests.test(f"{undo}: {what}"):
                    response = change(ann_then, victim, what)

                    assert response.status_code == 403
                    assert body(response)["code"] == "insufficient_scope"
        change(admin, ann, taken)


@pytest.mark.attack
def test_a_token_of_an_administrator_ends_with_the_role_the_account_and_the_login(
    app: Flask, client: FlaskClient, admin: FlaskClient, subtests: pytest.Subtests
) -> None:
    for number, how in enumerate(("user", "deactivate", "log out")):
        other = make(app, f"{number}@shop.example", role=Role.ADMIN)
        token = bearer(logged_in(client, f"{number}@shop.example"))
        assert client.get(URL, headers=token).status_code == 200
        if how == "log out":
            client.post(f"{PREFIX}/auth/logout", headers=token)
        else:
            change(admin, other, how)

        for method, path in (
            ("GET", URL),
            ("GET", f"{URL}/{other}"),
            ("GET", AUDIT),
            ("POST", f"{URL}/{user_id(app, 'admin')}/deactivate"),
        ):
            with subtests.test(f"{how}: {method} {path}"):
                response = client.open(path, method=method, headers=token)

                assert response.status_code == 403
                assert body(response)["code"] == "insufficient_scope"
    assert body(admin.get(f"{URL}/{user_id(app, 'admin')}"))["deactivated_at"] is None


def test_an_ordinary_token_is_still_checked_without_a_query(
    make_app: MakeApp, count_queries: CountQueries
) -> None:
    client = toy.init_app(make_app()).test_client()
    with count_queries(0):
        assert client.get(toy.URL).status_code == 200


@pytest.mark.attack
def test_no_other_role_and_no_other_field_is_accepted(
    admin: FlaskClient, ann: UUID, subtests: pytest.Subtests
) -> None:
    for payload in (
        {"role": "root"},
        {"role": "Admin"},
        {"role": ["admin"]},
        {"role": None},
        {},
        {"role": "admin", "email": "mine@evil.example"},
        {"role": "admin", "password_hash": "x"},
    ):
        with subtests.test(str(payload)):
            assert admin.put(f"{URL}/{ann}/role", json=payload).status_code == 422
    assert body(admin.get(f"{URL}/{ann}"))["role"] == "user"


@pytest.mark.attack
def test_no_secret_of_an_account_is_shown(admin: FlaskClient, ann: UUID) -> None:
    for response in (admin.get(URL), admin.get(f"{URL}/{ann}"), change(admin, ann, "deactivate")):
        assert "argon2" not in response.text
        assert PASSWORD not in response.text
