"""The access rules of all routes."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from conftest import authorization
from tests import routes

# The status of each route, by client, for resources that do not exist. A route that is not
# listed fails a test: these are the rules of access, on one page.
RULES = {
    # route: (no token, a user, an administrator)
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


def test_every_route_of_the_api_has_its_rule(app: Flask) -> None:
    served = {f"{method} {rule.rule}" for method, rule in routes.api_routes(app)}

    assert served == RULES.keys()


@pytest.mark.attack
def test_each_route_admits_exactly_the_clients_of_its_rule(
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
                response = client.open(path, method=method, headers={"Authorization": header})

                assert response.status_code == status
