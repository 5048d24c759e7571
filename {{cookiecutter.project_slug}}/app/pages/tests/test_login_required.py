import pytest
from flask import Flask
from werkzeug.wrappers import Response

from app.core import access
from app.core.access.browser_session import session_policy
from app.pages import login_required
from app.pages.tests import toy_page
from app.pages.tests.toy_page import PATH
from conftest import MakeApp
from tests.browsers import ACCEPT, SENT, SOME_ID, login, token, user_browser


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    """Return an application with the toy page."""
    return toy_page.init_app(make_app())


def test_an_error_page_keeps_the_frame_of_the_logged_in_user(app: Flask) -> None:
    client = user_browser(app)
    form = {"csrf_token": token(client, PATH)}
    for response in (
        client.get("/nowhere", headers=ACCEPT),
        client.delete(PATH, headers=ACCEPT),
        client.post(PATH, data={}, headers=SENT),
        client.post(PATH, data=form, headers=SENT),
        client.post(PATH, data=form, headers={**SENT, "Sec-Fetch-Site": "cross-site"}),
        client.post(PATH, data={**form, "text": "x" * 70_000}, headers=SENT),
    ):
        assert response.status_code >= 400
        assert response.mimetype == "text/html", response.status
        assert ">ann@shop.example</span>" in response.text, response.status
        assert "<button>Log out</button>" in response.text, response.status
        assert "Log in</a>" not in response.text, response.status


def test_the_page_of_a_failure_uses_no_dependency_that_may_have_failed(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()

    @app.get("/bug")
    def bug() -> str:
        raise RuntimeError

    client = app.test_client()
    with app.app_context():
        scopes = access.scopes_of("user")
    login(client, access.Principal(SOME_ID, scopes, SOME_ID))

    session_checks: list[object] = []
    monkeypatch.setattr(session_policy.of(app), "is_open", session_checks.append)
    for path, status in (("/bug", 500), ("/nowhere", 404)):
        response = client.get(path, headers=ACCEPT)

        assert response.status_code == status
        assert ">ann@shop.example</span>" in response.text
    assert not session_checks


@pytest.mark.attack
def test_an_error_page_does_not_show_the_user_of_an_expired_session(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = user_browser(app)
    monkeypatch.setattr(session_policy.of(app), "idle_timeout_seconds", -1)

    page = client.get("/nowhere", headers=ACCEPT).text

    assert "ann@shop.example" not in page
    assert "Log in</a>" in page


def test_a_page_for_a_scope_that_no_domain_declares_stops_the_start(make_app: MakeApp) -> None:
    app = make_app()
    app.add_url_rule("/drafts", view_func=login_required.requires("drafts:raed")(Response))

    with pytest.raises(LookupError, match="no domain declares these scopes: drafts:raed"):
        login_required.init_app(app)
