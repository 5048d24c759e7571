import pytest
from flask.testing import FlaskClient

from app.core import access
from conftest import LogLines, MakeApp, authorization, body, user_id
from tests import toy


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
