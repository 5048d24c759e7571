from uuid import UUID

import pytest
from flask.testing import FlaskClient

from app.core import access
from conftest import LogLines, MakeApp, authorization, body, user_id
from tests import toy

KEY = "k-1"
PROGRAM = access.Principal(UUID(int=9), frozenset({"notes:read"}))


def principal_of_key(key: str) -> access.Principal:
    """Return the principal of the key."""
    if key != KEY:
        raise access.InvalidToken
    return PROGRAM


@pytest.fixture(scope="module")
def guarded(make_app: MakeApp) -> FlaskClient:
    """Return a client of an application with a route for administrators: PUT on `toy.URL`."""
    return toy.init_app(make_app()).test_client()


def test_a_principal_with_the_scope_is_admitted(guarded: FlaskClient) -> None:
    app = guarded.application
    for scheme in ("Bearer", "bearer"):  # RFC 9110: compared without case
        header = authorization(app, "admin").replace("Bearer", scheme)
        response = guarded.put(toy.URL, json=toy.NOTE, headers={"Authorization": header})

        assert response.status_code == 200
        assert response.json == {**toy.NOTE, "text": str(user_id(app, "admin"))}


@pytest.mark.attack
def test_an_unauthenticated_client_gets_no_details_of_a_route(guarded: FlaskClient) -> None:
    for sent in ({"json": {"unknown": 1}}, {"data": "{"}, {"data": b"x" * 2_000_000}, {}):
        response = guarded.put(toy.URL, headers={"Authorization": ""}, **sent)

        assert response.status_code == 401
        assert response.json is not None
        assert response.json["code"] == "unauthorized"
        assert "errors" not in response.json
        assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.attack
def test_a_principal_without_the_scope_gets_the_name_of_the_missing_one(
    guarded: FlaskClient,
) -> None:
    response = guarded.put(toy.URL, json={"unknown": 1})

    assert response.status_code == 403
    assert response.json is not None
    assert response.json["code"] == "insufficient_scope"
    assert (
        response.headers["WWW-Authenticate"]
        == 'Bearer error="insufficient_scope", scope="notes:write"'
    )


@pytest.mark.attack
def test_an_invalid_bearer_token_admits_nobody(
    guarded: FlaskClient, subtests: pytest.Subtests
) -> None:
    good = authorization(guarded.application, "admin")
    token = good.removeprefix("Bearer ")
    for header in (
        token,
        f"Basic {token}",
        f"Bearer{token}",
        f"Bearer {token} {token}",
        f"{good},{good}",
        f"{good}, Basic YQ==",
        "Bearer",
        "Bearer ",
        "Bearer null",
        f"Bearer {'a' * 10_000}",
        "Bearer é",
        "Bearer a.b.c",
        "Bearer ..",
        "Digest username=admin",
    ):
        with subtests.test(header[:40]):
            response = guarded.put(toy.URL, json=toy.NOTE, headers={"Authorization": header})

            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_each_log_line_of_a_request_has_its_user_id(
    guarded: FlaskClient, log_lines: LogLines
) -> None:
    guarded.put(toy.URL, json={})
    guarded.put(toy.URL, json={}, headers={"Authorization": "Bearer x"})

    known, unknown = log_lines
    assert known["user.id"] == str(user_id(guarded.application))
    assert "user.id" not in unknown


def test_an_open_route_knows_who_asks(guarded: FlaskClient) -> None:
    known = str(user_id(guarded.application))
    for headers, reader in (({}, known), ({"Authorization": ""}, "nobody")):
        response = guarded.get(f"{toy.URL}/reader", headers=headers)

        assert response.status_code == 200
        assert body(response)["text"] == reader
        assert "Authorization" in response.vary


@pytest.mark.attack
def test_an_open_route_refuses_invalid_credentials(
    guarded: FlaskClient, subtests: pytest.Subtests
) -> None:
    for header in ("Bearer", "Bearer a.b.c", "Basic YQ==", "a.b.c"):
        with subtests.test(header):
            response = guarded.get(f"{toy.URL}/reader", headers={"Authorization": header})

            assert response.status_code == 401
            assert "Authorization" in response.vary


def test_the_document_says_that_credentials_are_optional(guarded: FlaskClient) -> None:
    operation = body(guarded.get("/api/openapi.json"))["paths"][f"{toy.URL}/reader"]["get"]

    assert operation["security"] == [{}, {"token": []}]
    assert "401" in operation["responses"]


@pytest.fixture(scope="module")
def with_schemes(make_app: MakeApp) -> FlaskClient:
    """Return a client of an application that accepts two further schemes."""
    app = toy.init_app(make_app())
    access.declare_scheme(app, "Token")
    access.declare_scheme(app, "ApiKey", principal_of_key)
    return app.test_client()


def test_a_further_scheme_accepts_the_same_tokens_or_its_own_credentials(
    with_schemes: FlaskClient,
) -> None:
    app = with_schemes.application
    bearer = authorization(app)
    token = bearer.removeprefix("Bearer ")
    for header, reader in (
        (bearer, user_id(app)),
        (f"Token {token}", user_id(app)),
        (f"tOKEN {token}", user_id(app)),  # RFC 9110, 11.1: compared without case
        (f"apikey {KEY}", PROGRAM.id),
    ):
        response = with_schemes.get(toy.URL, headers={"Authorization": header})

        assert response.status_code == 200
        assert body(response)["text"] == str(reader)


@pytest.mark.attack
def test_a_further_scheme_admits_nobody_without_its_credentials(
    with_schemes: FlaskClient, subtests: pytest.Subtests
) -> None:
    token = authorization(with_schemes.application).removeprefix("Bearer ")
    headers = ("Token", "Token a.b.c", f"ApiKey {token}", f"Token {KEY}", f"Bearer {KEY}")
    for header in headers:
        with subtests.test(header[:20]):
            response = with_schemes.get(toy.URL, headers={"Authorization": header})

            assert response.status_code == 401


def test_a_response_without_access_has_a_challenge_for_each_scheme(
    with_schemes: FlaskClient,
) -> None:
    app = with_schemes.application
    unknown = with_schemes.get(toy.URL, headers={"Authorization": ""})
    forbidden = with_schemes.put(toy.URL, json=toy.NOTE)
    admitted = with_schemes.get(toy.URL, headers={"Authorization": authorization(app)})

    assert set(unknown.headers.getlist("WWW-Authenticate")) == {"Bearer", "Token", "ApiKey"}
    assert {"Token", "ApiKey"} < set(forbidden.headers.getlist("WWW-Authenticate"))
    assert "WWW-Authenticate" not in admitted.headers


def test_the_document_lists_each_scheme(with_schemes: FlaskClient) -> None:
    document = body(with_schemes.get("/api/openapi.json"))
    schemes = document["components"]["securitySchemes"]
    operations = document["paths"]

    assert schemes["token"] == access.SCHEME
    assert schemes["token_scheme"] == {"type": "http", "scheme": "Token"}
    assert schemes["apikey_scheme"] == {"type": "http", "scheme": "ApiKey"}
    assert operations[toy.URL]["get"]["security"] == [
        {"token": ["notes:read"]},
        {"token_scheme": ["notes:read"]},
        {"apikey_scheme": ["notes:read"]},
    ]
    assert operations[f"{toy.URL}/reader"]["get"]["security"][0] == {}
    assert operations[toy.URL]["post"]["security"] == []


def test_a_scheme_has_a_name_of_its_own(make_app: MakeApp) -> None:
    app = make_app()
    access.declare_scheme(app, "Token")

    for name in ("token", "Bearer"):
        with pytest.raises(ValueError, match=f"the scheme '{name}' is declared twice"):
            access.declare_scheme(app, name)
    for name in ("", "Api Key", "7even", "Token\n"):
        with pytest.raises(ValueError, match="must be a letter, then letters, digits"):
            access.declare_scheme(app, name)


# {% if cookiecutter.auth == "jwt" %}
@pytest.mark.attack
def test_a_scope_that_is_looked_up_ends_when_it_no_longer_holds(make_app: MakeApp) -> None:
    client = toy.init_app(make_app()).test_client()
    app = client.application
    checked: list[access.Principal] = []
    results = [True, False]

    def still_holds(principal: access.Principal) -> bool:
        checked.append(principal)
        return results[len(checked) - 1]

    access.check_on_each_request(app, "notes:read", still_holds)

    assert [client.get(toy.URL).status_code for _ in results] == [200, 403]
    assert [principal.id for principal in checked] == [user_id(app)] * 2


def test_a_scope_is_looked_up_once_in_a_request(make_app: MakeApp) -> None:
    app = make_app()
    checked: list[access.Principal] = []

    def still_holds(principal: access.Principal) -> bool:
        checked.append(principal)
        return True

    @app.get("/twice")
    def twice() -> str:
        access.require_scope("notes:read")
        access.require_scope("notes:read")
        return "admitted"

    access.check_on_each_request(toy.init_app(app), "notes:read", still_holds)

    assert app.test_client().get("/twice").text == "admitted"
    assert len(checked) == 1


# {% endif %}
def test_the_document_has_the_scopes_of_a_route(guarded: FlaskClient) -> None:
    document = guarded.get("/api/openapi.json").json
    assert document is not None

    assert document["components"]["securitySchemes"]["token"] == access.SCHEME
    operation = document["paths"][toy.URL]["put"]
    assert operation["security"] == [{"token": ["notes:write"]}]
    assert {"401", "403"} <= operation["responses"].keys()
    assert document["paths"][toy.URL]["post"]["security"] == []
