import contextlib
import time
from hashlib import sha256
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import NAMESPACE_URL, uuid5

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import Key
from werkzeug.test import TestResponse

from app.core import access
from app.core.access import jwks
from app.core.access.oidc import openid_provider
from app.pages import login_required
from app.pages.provider_login import MAX_LENGTH, MAX_TABS, REQUEST_MAX_AGE_SECONDS
from app.pages.tests import toy_page
from app.pages.tests.toy_page import PATH
from app.settings import Settings
from conftest import LogLines, MakeApp
from tests import toy
from tests.browsers import ACCEPT, send, session_of
from tests.provider import (
    CLIENT,
    DISCOVERY,
    KEY,
    TOKEN,
    OpenIDProvider,
    Realm,
    claims,
    encoded,
    signed,
)
from tests.waiting import HANG_TIMEOUT_SECONDS

INJECTED = "\"'><script>alert(1)</script>"
HINT = "abcdefgh"  # an access token, which this service does not read


def serving(make_app: MakeApp, realm: Realm, **values: object) -> Flask:
    """Create an application whose users log in at a realm."""
    realm.register_client()
    app = toy_page.init_app(toy.init_app(make_app(oidc_issuer=realm.issuer, **values)))
    # {% if cookiecutter.auth == "jwt" %}
    for name in ("login", "logout"):  # replace the routes of local accounts
        found = app.view_functions[f"pages.provider_login.{name}"]
        app.view_functions[f"pages.login.{name}"] = found
    # {% endif %}

    @app.route("/inside", methods=["GET", "POST"])
    @login_required.requires("notes:read")
    def inside() -> Any:  # noqa: ANN401  what a view may return
        return str(access.principal().id)

    return app


@pytest.fixture(scope="module")
def realm(openid_provider: OpenIDProvider) -> Realm:
    """Return an issuer that no test changes."""
    return openid_provider.realm(KEY)


@pytest.fixture(scope="module")
def app(make_app: MakeApp, realm: Realm) -> Flask:
    """Return an application whose users log in at that realm."""
    return serving(make_app, realm)


def id_token_claims(
    realm: Realm, url: str, subject: str = "ann", **others: object
) -> dict[str, Any]:
    """Return the claims of an ordinary ID token for an authorization URL."""
    (nonce,) = parse_qs(urlsplit(url).query)["nonce"]
    found = {**claims(realm.issuer, subject), "aud": CLIENT["id"], "nonce": nonce, **others}
    return {name: value for name, value in found.items() if value is not None}


def token(payload: dict[str, Any], key: Key = KEY, **header: object) -> str:
    return signed(payload, key, **{"typ": "JWT", **header})


def start(client: FlaskClient, onward: str = "/") -> str:
    """Start a login; return the authorization URL."""
    response = client.get("/login", query_string={"next": onward}, headers=ACCEPT)
    assert response.status_code == 303
    return response.location


def back(realm: Realm, url: str, id_token: str | None = None, **more: object) -> str:
    """Log in at the provider; return the callback URL."""
    token_response = {
        "id_token": id_token or token(id_token_claims(realm, url)),
        "access_token": HINT,
        **more,
    }
    returned = realm.login(url, token_response)
    assert returned.startswith(CLIENT["redirect_uri"])
    return returned.removeprefix("http://127.0.0.1:8000")


def finish(client: FlaskClient, path: str, **changes: str | None) -> TestResponse:
    """Request the callback URL, with changes to its parameters."""
    place, _, query = path.partition("?")
    parameters = {**dict(parse_qsl(query)), **changes}
    kept = {name: value for name, value in parameters.items() if value is not None}
    return client.get(f"{place}?{urlencode(kept)}", headers=ACCEPT)


def login(client: FlaskClient, realm: Realm, **others: Any) -> TestResponse:  # noqa: ANN401  any claims
    url = start(client)
    return finish(client, back(realm, url, token(id_token_claims(realm, url, **others))))


def is_refused(client: FlaskClient, response: TestResponse, status: int = 400) -> None:
    """Assert that a login was refused: an error page and no session."""
    assert response.status_code == status
    assert response.mimetype == "text/html"
    assert "user" not in session_of(client)


def test_a_login_at_the_provider_redirects_to_the_requested_page(
    client: FlaskClient, realm: Realm
) -> None:
    page = client.get("/inside?a=b")
    assert page.location == "/login?next=%2Finside%3Fa%3Db"
    url = client.get(page.location).location

    response = finish(client, back(realm, url))

    assert response.status_code == 303
    assert response.location == "/inside?a=b"
    # The same user id as in the API, whose tokens come from the same provider.
    ann = uuid5(uuid5(NAMESPACE_URL, realm.issuer), "ann")
    assert client.get("/inside").text == str(ann)
    assert client.get("/login?next=/inside").location == "/inside"


def test_the_authorization_request_has_its_parameters_and_no_secret(
    client: FlaskClient, realm: Realm
) -> None:
    first, second = (urlsplit(start(client)) for _ in range(2))
    parameters, others = (dict(parse_qsl(url.query)) for url in (first, second))
    kept = session_of(client)["authorization_requests"]

    assert f"{first.scheme}://{first.netloc}{first.path}" == f"{realm.issuer}/authorize"
    assert parameters["response_type"] == "code"
    assert parameters["client_id"] == CLIENT["id"]
    assert parameters["redirect_uri"] == CLIENT["redirect_uri"]
    assert parameters["scope"] == "openid profile email"
    assert parameters["code_challenge_method"] == "S256"
    assert isinstance(kept, list)
    challenge = sha256(kept[0]["verifier"].encode()).digest()
    assert parameters["code_challenge"] == encoded(challenge)
    for name in ("state", "nonce", "code_challenge"):
        assert len(parameters[name]) == 43
        assert parameters[name] != others[name]


def test_the_frame_shows_who_is_logged_in(client: FlaskClient, realm: Realm) -> None:
    assert 'href="/login"' in client.get(PATH).text

    login(client, realm, preferred_username="Ann")

    page = client.get(PATH).text
    assert ">Ann</span>" in page
    assert "Log out" in page
    assert 'href="/login"' not in page


def test_each_try_is_a_line_with_its_outcome_and_subject(
    app: Flask, client: FlaskClient, realm: Realm, log_lines: LogLines
) -> None:
    login(client, realm, subject="ann of the provider")
    user_id = client.get("/inside").text
    other = app.test_client()
    is_refused(other, finish(other, back(realm, start(other)), error="access_denied"))

    well, refused = (line for line in log_lines if "outcome" in line)
    assert (well["message"], well["outcome"]) == ("login succeeded", "success")
    assert (well["subject"], well["user.id"]) == ("ann of the provider", user_id)
    assert (refused["message"], refused["outcome"]) == ("login failed", "login_failed")
    assert "subject" not in refused


def test_a_logout_may_include_the_provider(client: FlaskClient, realm: Realm) -> None:
    login(client, realm)

    response = send(client, PATH, {}, to="/logout")

    assert response.status_code == 303
    assert response.location == "/logged-out"
    assert client.get("/inside").status_code == 303
    page = client.get("/logged-out").text
    elsewhere = urlencode({"post_logout_redirect_uri": "http://127.0.0.1:8000/logged-out"})
    assert f'href="{realm.issuer}/logout?client_id=shop&amp;{elsewhere}"' in page
    assert 'href="/login"' in page
    assert send(client, PATH, {}, to="/logout").status_code == 303  # nothing left to end


def test_a_form_leads_to_a_page_and_not_to_another_site(client: FlaskClient) -> None:
    """Browsers follow no redirect from a form to a site that form-action does not list."""
    assert client.post("/inside").location == login_required.AFTER_LOST_SESSION
    assert client.get("/logged-out").status_code == 200


def test_a_principal_without_the_claims_of_users_is_identified_and_refused(
    make_app: MakeApp, realm: Realm
) -> None:
    client = serving(make_app, realm, oidc_user_requires="role:customer").test_client()
    login(client, realm)

    assert client.get("/inside").status_code == 403


def test_a_client_without_a_secret_names_itself(
    make_app: MakeApp, openid_provider: OpenIDProvider
) -> None:
    realm = openid_provider.realm(KEY)
    client = serving(make_app, realm, oidc_client_secret=None).test_client()
    realm.register_client(secret="")

    assert login(client, realm).status_code == 303
    assert client.get("/inside").status_code == 200


def test_a_secret_may_hold_any_character(
    make_app: MakeApp, openid_provider: OpenIDProvider
) -> None:
    realm = openid_provider.realm(KEY)
    odd = "a:b c%+é"
    client = serving(make_app, realm, oidc_client_secret=odd).test_client()
    realm.register_client(secret=odd)

    assert login(client, realm).status_code == 303


def test_several_tabs_may_log_in_at_once(client: FlaskClient, realm: Realm) -> None:
    urls = [start(client, f"/inside?tab={number}") for number in range(MAX_TABS + 1)]
    first, second, *_ = (back(realm, url) for url in urls)

    is_refused(client, finish(client, first))
    assert finish(client, second).location == "/inside?tab=1"
    cookie = client.get_cookie("session")
    assert cookie


def test_the_cookie_of_many_tabs_is_not_too_large(client: FlaskClient) -> None:
    for number in range(MAX_TABS + 1):
        start(client, f"/{number}" + "a" * (MAX_LENGTH - 2))
    cookie = client.get_cookie("session")
    assert cookie
    assert len(cookie.value) < 3_500

    start(client, "/" + "a" * MAX_LENGTH)
    kept = session_of(client)["authorization_requests"]
    assert isinstance(kept, list)
    assert kept[-1]["next"] == "/"


@pytest.mark.attack
def test_a_callback_without_an_authorization_request_of_this_browser_is_refused(
    app: Flask, realm: Realm, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = app.test_client()
    theirs = back(realm, start(other))
    states = {
        "no state": None,
        "an empty one": "",
        "a guessed one": "a" * 43,
        "one beyond ASCII": "é",
        "that of another browser": dict(parse_qsl(urlsplit(theirs).query))["state"],
    }
    for name, state in states.items():
        with subtests.test(name):
            client = app.test_client()
            is_refused(client, finish(client, back(realm, start(client)), state=state))
    with subtests.test("the whole callback of another browser: logged in as somebody else"):
        client = app.test_client()
        start(client)
        is_refused(client, finish(client, theirs))
    with subtests.test("without a authorization"):
        client = app.test_client()
        is_refused(client, finish(client, theirs))
    assert finish(other, theirs).status_code == 303  # valid in the browser that started it
    with subtests.test("once more"):
        other.delete_cookie("session")
        is_refused(other, finish(other, theirs))
    with subtests.test("with the cookie from before too: the provider knows a code once"):
        client = app.test_client()
        path = back(realm, start(client))
        cookie = client.get_cookie("session")
        assert cookie
        finish(client, path)
        copy = app.test_client()
        copy.set_cookie("session", cookie.value)
        is_refused(copy, finish(copy, path))
    with subtests.test("too late"):
        client = app.test_client()
        path = back(realm, start(client))
        late = time.time() + REQUEST_MAX_AGE_SECONDS + 2
        with monkeypatch.context() as later:
            later.setattr("app.pages.provider_login.time.time", lambda: late)
            is_refused(client, finish(client, path))


@pytest.mark.attack
def test_a_code_is_valid_only_for_its_authorization_request(
    app: Flask, realm: Realm, subtests: pytest.Subtests
) -> None:
    with subtests.test("a code of another browser, injected"):
        client, other = app.test_client(), app.test_client()
        stolen = dict(parse_qsl(urlsplit(back(realm, start(other))).query))["code"]
        is_refused(client, finish(client, back(realm, start(client)), code=stolen))
    with subtests.test("a challenge that was exchanged on the way"):
        client = app.test_client()
        url = start(client)
        theirs = start(app.test_client())
        (mine,), (challenge,) = (
            parse_qs(urlsplit(each).query)["code_challenge"] for each in (url, theirs)
        )
        is_refused(client, finish(client, back(realm, url.replace(mine, challenge))))
    with subtests.test("an invented code"):
        client = app.test_client()
        is_refused(client, finish(client, back(realm, start(client)), code="invented"))
    for name, code in {"none": None, "an empty one": ""}.items():
        with subtests.test(f"a code: {name}"):
            client = app.test_client()
            is_refused(client, finish(client, back(realm, start(client)), code=code))
    with subtests.test("the weaker method is not offered"):
        assert "plain" not in start(app.test_client())


@pytest.mark.attack
def test_a_callback_of_another_provider_is_refused(
    app: Flask,
    realm: Realm,
    make_app: MakeApp,
    openid_provider: OpenIDProvider,
    subtests: pytest.Subtests,
) -> None:
    for name, issuer in {
        "another": "https://evil.example",
        "one that begins alike": f"{realm.issuer}/",
        "nobody": "",
    }.items():
        with subtests.test(name):
            client = app.test_client()
            is_refused(client, finish(client, back(realm, start(client)), iss=issuer))
    client = app.test_client()
    assert finish(client, back(realm, start(client)), iss=None).status_code == 303
    strict = openid_provider.realm(KEY)
    strict.describe(authorization_response_iss_parameter_supported=True)
    client = serving(make_app, strict).test_client()
    with subtests.test("nobody, where the provider says that it names itself"):
        is_refused(client, finish(client, back(strict, start(client)), iss=None))
        assert login(client, strict).status_code == 303


@pytest.mark.attack
def test_an_invalid_id_token_logs_nobody_in(
    app: Flask, realm: Realm, subtests: pytest.Subtests, log_lines: LogLines
) -> None:
    for name, others in {
        "of another client": {"aud": "another"},
        "for another authorization": {"nonce": "n" * 43},
    }.items():
        with subtests.test(name):
            client = app.test_client()
            is_refused(client, login(client, realm, **others))
    refusals = [each for each in log_lines if each["message"] == "ID token rejected"]
    assert len(refusals) == 2
    assert "eyJ" not in str(refusals)


@pytest.mark.attack
def test_nobody_is_led_to_another_site(app: Flask, realm: Realm, subtests: pytest.Subtests) -> None:
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"):
        with subtests.test(repr(target)):
            client = app.test_client()
            assert finish(client, back(realm, start(client, target))).location == "/"
            response = client.get("/login", query_string={"next": target})
            assert response.location == "/"


@pytest.mark.attack
def test_a_refusal_of_the_provider_is_a_page_that_repeats_nothing(
    app: Flask, realm: Realm, subtests: pytest.Subtests, log_lines: LogLines
) -> None:
    for error in ("access_denied", "server_error", INJECTED, ""):
        with subtests.test(error):
            client = app.test_client()
            parameters = {"error": error, "error_description": INJECTED, "error_uri": INJECTED}
            response = finish(client, back(realm, start(client)), **parameters)

            is_refused(client, response)
            assert "alert" not in response.text
            assert "alert" not in str(response.headers)
            assert "try again" in response.text
    assert "alert" not in str(log_lines)


@pytest.mark.attack
def test_an_invented_host_is_sent_to_no_provider(client: FlaskClient) -> None:
    response = client.get("/login", headers={"Host": "evil.example"})

    assert "evil" not in response.location
    assert "evil" not in client.get("/logged-out", headers={"Host": "evil.example"}).text


@pytest.mark.attack
def test_a_session_from_before_the_login_is_not_valid_after_it(
    client: FlaskClient, realm: Realm
) -> None:
    client.get(PATH)
    with client.session_transaction() as kept:
        kept["planted"] = True
    planted = session_of(client)["csrf_token"]

    login(client, realm)

    after = session_of(client)
    assert after.get("csrf_token") != planted
    assert not after.keys() & {"planted", "authorization_requests"}


@pytest.mark.attack
def test_a_name_is_shown_as_text(client: FlaskClient, realm: Realm) -> None:
    login(client, realm, preferred_username=INJECTED)

    assert "<script>alert" not in client.get(PATH).text


@pytest.mark.attack
def test_nobody_is_logged_out_by_another_site(client: FlaskClient, realm: Realm) -> None:
    login(client, realm)

    assert client.post("/logout").status_code == 400
    assert client.get("/logout").status_code == 405
    assert client.get("/inside").status_code == 200


# {% if cookiecutter.database != "none" %}
@pytest.mark.attack
def test_a_copy_of_the_cookie_ends_with_the_login(client: FlaskClient, realm: Realm) -> None:
    login(client, realm)
    copied = client.get_cookie("session")
    assert copied
    kept = session_of(client)["user"]
    assert isinstance(kept, dict)
    assert kept["login"]

    send(client, PATH, {}, to="/logout")

    client.set_cookie("session", copied.value)
    assert client.get("/inside").status_code == 303


# {% endif %}
def test_while_the_provider_fails_nobody_is_half_logged_in(
    make_app: MakeApp,
    openid_provider: OpenIDProvider,
    monkeypatch: pytest.MonkeyPatch,
    subtests: pytest.Subtests,
    log_lines: LogLines,
) -> None:
    realm = openid_provider.realm(KEY)
    app = serving(make_app, realm)
    login(app.test_client(), realm)  # its keys are cached from here on
    responses: dict[str, tuple[list[str], dict[str, Any]]] = {
        "no JSON": (["<html>"], {}),
        "no object": (["[]"], {}),
        "too large": (['{"a": "', "x" * (jwks.MAX_BYTES + 1), '"}'], {}),
        "a failure": (["{}"], {"status": 500}),
        "a redirect": ([""], {"status": 302, "headers": {"Location": f"{realm.issuer}{TOKEN}"}}),
        "an error": (['{"error": "invalid_client"}'], {"status": 401}),
        "an error that calls itself good": (['{"error": "server_error"}'], {}),
        "not a word": ([""], {"status": 0}),
        "too late": (["{}"], {"seconds": 0.4}),
        "in drops": (["{", '"a":', "1", "}"], {"seconds": 0.1}),
    }
    for name, (pieces, more) in responses.items():
        with subtests.test(name):
            client = app.test_client()
            path = back(realm, start(client))
            realm.set_response(TOKEN, *pieces, **more)
            if "seconds" in more:
                monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.3)
            response = finish(client, path)
            is_refused(client, response, 503)
            assert "identity provider is unavailable" in response.text
            assert realm.request_count(TOKEN) == 1
    assert CLIENT["secret"] not in str(log_lines)


def test_slow_headers_make_no_other_client_wait(
    app: Flask, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.3)
    waited = Event()

    class Dripping(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not waited.is_set():
                with contextlib.suppress(OSError):  # the client has closed the connection
                    self.wfile.write(b"x")
                time.sleep(0.05)

    with ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        provider = openid_provider.of(app)
        began = time.monotonic()
        with pytest.raises(jwks.ProviderUnavailable):
            provider.post(f"http://127.0.0.1:{server.server_address[1]}/", {}, None)
        assert time.monotonic() - began < HANG_TIMEOUT_SECONDS
        waited.set()
        server.shutdown()
    assert log_lines[-1]["error.type"] == "TimeoutError"


def test_without_the_discovery_document_login_is_unavailable(
    make_app: MakeApp, openid_provider: OpenIDProvider, subtests: pytest.Subtests
) -> None:
    described: dict[str, dict[str, object]] = {
        "of another": {"issuer": "https://evil.example"},
        "without a place": {"authorization_endpoint": None, "end_session_endpoint": None},
        "with a script": {
            "authorization_endpoint": "javascript:alert(1)",
            "end_session_endpoint": "javascript:alert(1)",
        },
    }
    for name, changes in described.items():
        realm = openid_provider.realm(KEY)
        realm.describe(**changes)
        client = serving(make_app, realm).test_client()
        with subtests.test(name):
            response = client.get("/login", headers=ACCEPT)

            assert response.status_code == 503
            assert response.mimetype == "text/html"
            page = client.get("/logged-out")
            assert page.status_code == 200
            assert "Log out there too" not in page.text


def test_an_authorization_url_may_have_a_query_string(
    make_app: MakeApp, openid_provider: OpenIDProvider
) -> None:
    realm = openid_provider.realm(KEY)
    realm.describe(authorization_endpoint=f"{realm.issuer}/authorize?tenant=shop")
    client = serving(make_app, realm).test_client()

    url = start(client)

    assert url.startswith(f"{realm.issuer}/authorize?tenant=shop&response_type=code")
    assert realm.request_count(DISCOVERY) == 1


def test_in_development_the_client_id_is_optional_and_without_it_login_is_disabled(
    make_app: MakeApp, openid_provider: OpenIDProvider
) -> None:
    bare = Settings.model_validate({"app_env": "development"})
    assert any("login is unavailable" in each for each in bare.warnings())

    client = serving(make_app, openid_provider.realm(KEY), oidc_client_id=None).test_client()

    response = client.get("/login", headers=ACCEPT)
    assert response.status_code == 503
    assert "Login is not configured" in response.text
    assert client.get("/logged-out").status_code == 200
