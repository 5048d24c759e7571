import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core import access
from app.core.database import writing
from app.pages import (  # one line where it fits
    login_required,
    # {% if cookiecutter.auth == "oidc" %}
    provider_sessions,
    # {% endif %}
)
from app.pages.tests import toy_page
from app.sessions.models import LoginSession
from conftest import MakeApp
from tests import (  # one line where it fits
    browsers,
    # {% if cookiecutter.auth == "jwt" %}
    own_accounts,
    # {% endif %}
)
from tests.browsers import SENT, send, token
from tests.stored_sessions import open_session, with_session

OTHERS = "/account/sessions/end-others"
# {% if cookiecutter.auth == "oidc" %}
PROOF: dict[str, str] = {}
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
PROOF = {"current_password": own_accounts.PASSWORD}
# {% endif %}


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    """Return an application with the toy page."""
    return toy_page.init_app(make_app())


# {% if cookiecutter.auth == "jwt" %}
@pytest.fixture(autouse=True)
def _account(app: Flask) -> None:
    own_accounts.store_account(app, browsers.SOME_ID, "ann@shop.example")


# {% endif %}
@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """Return a browser with a stored session."""
    return with_session(app)


def path_of(session_id: UUID) -> str:
    return f"/account/sessions/{session_id}/end"


def offered(client: FlaskClient) -> list[UUID]:
    """Return the ids of the sessions that the page offers to end."""
    page = client.get("/account").text
    return [
        UUID(found) for found in re.findall('href="/account/sessions/([0-9a-f-]{36})/end"', page)
    ]


def change(app: Flask, session_id: UUID, **values: datetime) -> None:
    with app.app_context(), writing() as transaction:
        session = transaction.get_one(LoginSession, session_id)
        for name, value in values.items():
            setattr(session, name, value)


def end(client: FlaskClient, path: str) -> TestResponse:
    return send(client, path, PROOF)


def test_the_page_lists_the_sessions_that_are_open(app: Flask, browser: FlaskClient) -> None:
    now = datetime.now(UTC)
    older, newer, ended, expired = (open_session(app) for _ in range(4))
    open_session(app, uuid4())
    change(app, older, created_at=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC))
    change(app, newer, created_at=now + timedelta(seconds=9))
    change(app, ended, ended_at=now)
    change(app, expired, expires_at=now - timedelta(seconds=1))

    page = browser.get("/account").text

    assert offered(browser) == [newer, older]
    assert page.count("<strong>") == 3
    assert "This browser" in page
    assert "2026-02-03 04:05 UTC" in page
    assert OTHERS in page
    assert "ann@shop.example" in page


def test_a_single_session_has_nothing_to_end(browser: FlaskClient) -> None:
    assert offered(browser) == []
    assert OTHERS not in browser.get("/account").text


def test_a_user_without_any_scope_lists_and_ends_their_sessions(app: Flask) -> None:
    open_session(app)
    client = app.test_client()
    browsers.login(client, access.Principal(browsers.SOME_ID, frozenset(), open_session(app)))

    assert end(client, path_of(*offered(client))).status_code == 303
    assert offered(client) == []


# {% if cookiecutter.auth == "oidc" %}
def test_a_session_is_stored_for_as_long_as_its_cookie_can_last(app: Flask) -> None:
    with app.app_context():
        principal = provider_sessions.begin(access.Principal(browsers.SOME_ID, frozenset()))
        with writing() as transaction:
            stored = transaction.get_one(LoginSession, principal.session)

    assert stored.expires_at - stored.created_at == timedelta(seconds=43_200)


# {% endif %}
def test_one_session_is_ended_and_no_other(app: Flask, browser: FlaskClient) -> None:
    other, copied = with_session(app), with_session(app)
    first, second = offered(browser)

    assert "This session is logged out" in browser.get(path_of(first)).text
    response = end(browser, path_of(first))

    assert (response.status_code, response.location) == (303, "/account")
    assert "The session has ended." in browser.get("/account").text
    assert offered(browser) == [second]
    assert sorted(each.get("/account").status_code for each in (other, copied)) == [200, 303]
    assert browser.get(path_of(first), headers=SENT).status_code == 404


def test_all_other_sessions_end_at_once_and_this_one_stays(
    app: Flask, browser: FlaskClient
) -> None:
    others = [with_session(app) for _ in range(3)]
    other_session = open_session(app, uuid4())

    response = end(browser, OTHERS)

    assert (response.status_code, response.location) == (303, "/account")
    assert "All your other sessions have ended." in browser.get("/account").text
    assert offered(browser) == []
    assert all(each.get("/account").status_code == 303 for each in others)
    with app.app_context(), writing() as transaction:
        assert transaction.get_one(LoginSession, other_session).ended_at is None


def test_ending_the_session_of_this_browser_logs_it_out(app: Flask, browser: FlaskClient) -> None:
    with_session(app)
    kept = browsers.session_of(browser)["user"]
    assert isinstance(kept, dict)

    end(browser, path_of(UUID(kept["login"])))

    assert browser.get("/account").status_code == 303


@pytest.mark.attack
def test_nobody_ends_the_session_of_somebody_else(app: Flask, browser: FlaskClient) -> None:
    theirs = open_session(app, uuid4())
    form = {**PROOF, "csrf_token": token(browser, "/account")}

    for path in (path_of(theirs), path_of(uuid4())):
        assert browser.get(path, headers=SENT).status_code == 404
        assert browser.post(path, data=form, headers=SENT).status_code == 404
    with app.app_context(), writing() as transaction:
        assert transaction.get_one(LoginSession, theirs).ended_at is None


@pytest.mark.attack
def test_no_session_ends_without_a_form_of_this_service(
    app: Flask, browser: FlaskClient, subtests: pytest.Subtests
) -> None:
    with_session(app)
    (other,) = offered(browser)
    form = {**PROOF, "csrf_token": token(browser, "/account")}
    for path in (path_of(other), OTHERS):
        for name, data, headers, status in (
            ("no token", PROOF, SENT, 400),
            ("another site", form, {"Sec-Fetch-Site": "cross-site"}, 403),
        ):
            with subtests.test(f"{name}: {path}"):
                assert browser.post(path, data=data, headers=headers).status_code == status
        with subtests.test(f"a link: {path}"):
            browser.get(path)
    assert offered(browser) == [other]


@pytest.mark.attack
def test_anonymous_users_are_redirected_to_the_login(app: Flask, subtests: pytest.Subtests) -> None:
    session_id = open_session(app)
    for path in ("/account", path_of(session_id), OTHERS):
        with subtests.test(path):
            anonymous = app.test_client()
            assert anonymous.get(path).location.startswith("/login?next=%2Faccount")
            form = {**PROOF, "csrf_token": token(anonymous, toy_page.PATH)}
            if path != "/account":
                response = anonymous.post(path, data=form, headers=SENT)
                assert response.location == login_required.AFTER_LOST_SESSION
                assert login_required.ENDED in anonymous.get(login_required.AFTER_LOST_SESSION).text
