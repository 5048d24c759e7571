import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from marshmallow import fields

from app.core import access
from app.core.api import Blueprint, json_response
from app.core.schemas import Schema
from conftest import LogLines, MakeApp, authorization, user_id
from tests import routes

# What each route answers to whom when nothing exists that it is asked for. A route that is not
# listed fails a test: these are the rules of access, on one page.
RULES = {
    # route: (nobody, a user, an administrator)
    "POST /api/v1/quotes": (422, 422, 422),
    # {% if cookiecutter.webhooks %}
    "POST /webhooks/payments": (403, 403, 403),  # without a signature
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    "POST /api/v1/auth/email-change/confirm": (422, 422, 422),
    "POST /api/v1/auth/email-verification": (422, 422, 422),
    "POST /api/v1/auth/email-verification/confirm": (422, 422, 422),
    "POST /api/v1/auth/login": (422, 422, 422),
    "POST /api/v1/auth/logout": (401, 204, 204),
    "POST /api/v1/auth/logout-everywhere": (401, 204, 204),
    "POST /api/v1/auth/password-reset": (422, 422, 422),
    "POST /api/v1/auth/password-reset/confirm": (422, 422, 422),
    "POST /api/v1/auth/refresh": (422, 422, 422),
    "POST /api/v1/users": (422, 422, 422),
    "DELETE /api/v1/users/me": (401, 422, 422),
    "GET /api/v1/users/me": (401, 404, 200),
    "POST /api/v1/users/me/email": (401, 422, 422),
    "POST /api/v1/users/me/password": (401, 422, 422),
    "GET /api/v1/admin/users": (401, 403, 200),
    "GET /api/v1/admin/users/<uuid:user_id>": (401, 403, 404),
    "POST /api/v1/admin/users/<uuid:user_id>/activate": (401, 403, 404),
    "POST /api/v1/admin/users/<uuid:user_id>/deactivate": (401, 403, 404),
    "PUT /api/v1/admin/users/<uuid:user_id>/role": (401, 403, 422),
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    "GET /api/v1/orders": (401, 200, 200),
    "POST /api/v1/orders": (401, 422, 422),
    "GET /api/v1/orders/<uuid:order_id>": (401, 404, 404),
    "POST /api/v1/orders/<uuid:order_id>/cancel": (401, 404, 404),
    "GET /api/v1/admin/audit": (401, 403, 200),
    "GET /api/v1/admin/orders": (401, 403, 200),
    "POST /api/v1/admin/orders/<uuid:order_id>/cancel": (401, 403, 404),
    # {% endif %}
}


class WrittenSchema(Schema):
    text = fields.String(required=True)


@pytest.fixture(scope="module")
def guarded(make_app: MakeApp) -> FlaskClient:
    """Return a client of an application with a route for administrators."""
    app = make_app()
    blueprint = Blueprint("notices", __name__, description="What administrators post")

    @blueprint.route("", methods=["POST"])
    @blueprint.requires("admin")
    @blueprint.arguments(WrittenSchema)
    @blueprint.response(200, WrittenSchema)
    def post_notice(notice: dict[str, str]) -> Response:
        """Post a notice."""
        access.admit("orders:read")  # a second look is free
        return json_response({**notice, "text": str(access.principal().id)})

    app.register_blueprint(blueprint, url_prefix="/api/v1/notices")
    return app.test_client()


def test_every_route_of_the_api_has_its_rule(app: Flask) -> None:
    served = {f"{method} {rule.rule}" for method, rule in routes.api_routes(app)}

    assert served == RULES.keys()


@pytest.mark.attack
def test_each_route_lets_in_whom_its_rule_lets_in(
    app: Flask, client: FlaskClient, subtests: pytest.Subtests
) -> None:
    principals = {
        "nobody": "",
        "a user": authorization(app, "user"),
        "an administrator": authorization(app, "admin"),
    }
    for route, statuses in RULES.items():
        method, _, rule = route.partition(" ")
        path = routes.filled_in(rule)
        for (name, header), status in zip(principals.items(), statuses, strict=True):
            with subtests.test(f"{name}: {route}"):
                answer = client.open(path, method=method, headers={"Authorization": header})

                assert answer.status_code == status


def test_whoever_has_the_scope_is_let_in(guarded: FlaskClient) -> None:
    app = guarded.application
    for scheme in ("Bearer", "bearer"):  # RFC 9110: compared without case
        header = authorization(app, "admin").replace("Bearer", scheme)
        answer = guarded.post(
            "/api/v1/notices", json={"text": ""}, headers={"Authorization": header}
        )

        assert answer.status_code == 200
        assert answer.json == {"text": str(user_id(app, "admin"))}


@pytest.mark.attack
def test_a_stranger_learns_nothing_of_what_a_route_takes(guarded: FlaskClient) -> None:
    for body in ({"json": {"unknown": 1}}, {"data": "{"}, {"data": b"x" * 2_000_000}, {}):
        answer = guarded.post("/api/v1/notices", headers={"Authorization": ""}, **body)

        assert answer.status_code == 401
        assert answer.json is not None
        assert answer.json["code"] == "unauthenticated"
        assert "errors" not in answer.json
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.attack
def test_a_caller_without_the_scope_is_told_which_one(guarded: FlaskClient) -> None:
    answer = guarded.post("/api/v1/notices", json={"unknown": 1})

    assert answer.status_code == 403
    assert answer.json is not None
    assert answer.json["code"] == "insufficient_scope"
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="admin"'


@pytest.mark.attack
def test_what_is_no_bearer_token_lets_nobody_in(
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
            answer = guarded.post(
                "/api/v1/notices", json={"text": ""}, headers={"Authorization": header}
            )

            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_each_log_line_of_a_request_names_its_caller(
    guarded: FlaskClient, log_lines: LogLines
) -> None:
    guarded.post("/api/v1/notices", json={})
    guarded.post("/api/v1/notices", json={}, headers={"Authorization": "Bearer x"})

    known, unknown = log_lines
    assert known["user.id"] == str(user_id(guarded.application))
    assert "user.id" not in unknown


def test_the_document_says_what_a_route_requires(guarded: FlaskClient) -> None:
    document = guarded.get("/api/openapi.json").json
    assert document is not None

    assert document["components"]["securitySchemes"]["token"] == access.SCHEME
    operation = document["paths"]["/api/v1/notices"]["post"]
    assert operation["security"] == [{"token": ["admin"]}]
    assert {"401", "403"} <= operation["responses"].keys()
    assert document["paths"]["/api/v1/quotes"]["post"]["security"] == []
