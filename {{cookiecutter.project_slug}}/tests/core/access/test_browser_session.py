import time
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from flask import Flask, session
from flask.testing import FlaskClient

from app.core.access import Principal, browser_session
from app.core.access.browser_session import session_policy
from conftest import LogLines, MakeApp

SOMEBODY = Principal(UUID(int=1), frozenset({"notes:read"}), UUID(int=2))
RetryLater = Callable[[float], None]


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    """Return an application that logs in any client."""
    app = make_app(session_browser_idle_timeout_seconds=600, session_browser_max_age_seconds=3_600)
    session_policy.of(app).is_open = lambda _login: True

    @app.post("/in/<name>")
    def login(name: str) -> str:
        browser_session.login(SOMEBODY, name)
        return str(browser_session.principal() == SOMEBODY)

    @app.post("/out")
    def logout() -> str:
        browser_session.logout()
        return str(browser_session.principal())

    @app.get("/who")
    def user_name() -> str:
        found = browser_session.user()
        return found.name if found else "nobody"

    @app.get("/may")
    def may_anything() -> str:
        return str(browser_session.authorize())

    @app.post("/call/<name>")
    def call(name: str) -> str:
        browser_session.rename(name)
        return user_name()

    @app.get("/cookie")
    def cookie() -> str:
        return str(browser_session.cookie_name())

    @app.get("/may/<scope>")
    def may(scope: str) -> str:
        return str(browser_session.authorize(scope))

    @app.post("/planted")
    def planted() -> str:
        session["csrf_token"] = session["planted"] = "by somebody else"
        return ""

    return app


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> RetryLater:
    """Let time pass."""
    clock = [time.time()]
    monkeypatch.setattr("app.core.access.browser_session.time.time", lambda: clock[0])

    def wait(seconds: float) -> None:
        clock[0] += seconds

    return wait


def user_name(client: FlaskClient) -> str:
    return client.get("/who").text


def test_a_browser_has_a_user_from_login_to_logout(client: FlaskClient) -> None:
    assert user_name(client) == "nobody"
    assert client.post("/in/ann").text == "True"
    assert user_name(client) == "ann"
    assert client.get("/may/notes:read").text == "True"
    assert client.post("/out").text == "None"
    assert user_name(client) == "nobody"
    assert client.get("/may/notes:read").text == "False"


def test_a_logged_in_user_may_open_a_page_without_a_scope(client: FlaskClient) -> None:
    assert client.get("/may").text == "False"
    client.post("/in/ann")
    assert client.get("/may").text == "True"


def test_the_name_of_a_logged_in_user_can_change(client: FlaskClient) -> None:
    client.post("/in/ann")
    assert client.post("/call/beth").text == "beth"
    assert user_name(client) == "beth"


def test_the_name_in_the_cookie_is_known_for_as_long_as_the_session(
    client: FlaskClient, later: RetryLater
) -> None:
    assert client.get("/cookie").text == "None"
    client.post("/in/ann")
    assert client.get("/cookie").text == "ann"
    later(601)
    assert client.get("/cookie").text == "None"


def test_a_principal_without_the_scope_is_refused(client: FlaskClient) -> None:
    client.post("/in/ann")

    assert client.get("/may/admin").status_code == 403


@pytest.mark.attack
def test_login_and_logout_clear_the_earlier_session(
    client: FlaskClient, subtests: pytest.Subtests
) -> None:
    for path in ("/in/ann", "/out"):
        with subtests.test(path):
            client.post("/planted")
            client.post(path)
            with client.session_transaction() as kept:
                assert not kept.keys() & {"planted", "csrf_token"}


def test_a_session_ends_when_nothing_is_done(client: FlaskClient, later: RetryLater) -> None:
    client.post("/in/ann")
    later(600)
    assert user_name(client) == "ann"
    later(600)
    assert user_name(client) == "ann"  # it was used in between
    later(601)
    assert user_name(client) == "nobody"


def test_a_session_ends_however_much_it_is_used(client: FlaskClient, later: RetryLater) -> None:
    client.post("/in/ann")
    for _ in range(6):
        later(599)
        assert user_name(client) == "ann"
    later(7)
    assert user_name(client) == "nobody"


def test_a_cookie_is_not_rewritten_by_every_request(client: FlaskClient, later: RetryLater) -> None:
    client.post("/in/ann")
    assert "Set-Cookie" not in client.get("/who").headers
    later(browser_session.REFRESH_SECONDS)
    assert "Set-Cookie" in client.get("/who").headers


@pytest.mark.attack
def test_a_session_that_was_ended_elsewhere_is_invalid(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/in/ann")
    ended: set[UUID] = set()
    monkeypatch.setattr(session_policy.of(app), "is_open", lambda login: login not in ended)
    assert user_name(client) == "ann"
    ended.add(UUID(int=2))
    assert user_name(client) == "nobody"


@pytest.mark.attack
def test_a_cookie_that_this_service_did_not_write_is_nobodys(
    app: Flask, client: FlaskClient, make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    client.post("/in/ann")
    good = client.get_cookie("session")
    assert good
    other = make_app(secret_key="another key of another service").test_client()
    with other.session_transaction() as kept:
        kept["user"] = {"id": str(uuid4())}
    forged = other.get_cookie("session")
    assert forged
    body, _, rest = good.value.partition(".")
    for name, value in {
        "signed with another key": forged.value,
        "changed": f"{body[:-2]}AA.{rest}",
        "unsigned": body,
        "empty": "",
        "another's signature": f"{forged.value.partition('.')[0]}.{rest}",
    }.items():
        with subtests.test(name):
            attacker = app.test_client()
            attacker.set_cookie("session", value)
            assert user_name(attacker) == "nobody"


def test_log_lines_have_the_id_of_the_logged_in_user(
    client: FlaskClient, log_lines: LogLines
) -> None:
    client.post("/in/ann")
    user_name(client)

    assert log_lines[-1]["user.id"] == str(SOMEBODY.id)


def test_a_path_of_this_site_is_a_safe_redirect_target() -> None:
    for target in ("/", "/notes/new", "/?cursor=a_b-c%3D", "/a//b", "/%C3%A9", "/a?next=//b"):
        assert browser_session.safe_redirect_target(target) == target


@pytest.mark.attack
def test_nothing_leads_to_another_site(subtests: pytest.Subtests) -> None:
    for target in (
        "",
        "https://evil.example",
        "HTTPS://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\nSet-Cookie: a=b",
        "/%09/evil.example",
        "/%0d%0aSet-Cookie:%20a=b",
        "/%5Cevil.example",
        "/%2F/evil.example",
        "/%2fevil.example",
        " //evil.example",
        "\t//evil.example",
        "/ /evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        "@evil.example",
        "user@evil.example",
        "http:evil.example",
        "http:///evil.example",
        "https:/evil.example",
        "?next=/",
        "#",
        "/#//evil",
        "/é",
        "/\u2028/evil.example",
        "/\uff0fevil.example",
        "/\x00",
        "/<script>",
        '/"onload="',
        "/shop/../other",
        "/shop/%2e%2e/other",
        "/..",
    ):
        with subtests.test(repr(target)):
            assert browser_session.safe_redirect_target(target) == "/"
