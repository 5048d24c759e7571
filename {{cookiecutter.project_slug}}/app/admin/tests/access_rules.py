"""The status of each route, by client, for resources that do not exist."""

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    "GET /api/v1/admin/audit": (401, 403, 200),
    "GET /api/v1/admin/orders": (401, 403, 200),
    "POST /api/v1/admin/orders/<uuid:order_id>/cancel": (401, 403, 404),
    # {% if cookiecutter.auth == "jwt" %}
    "GET /api/v1/admin/users": (401, 403, 200),
    "GET /api/v1/admin/users/<uuid:user_id>": (401, 403, 404),
    "POST /api/v1/admin/users/<uuid:user_id>/activate": (401, 403, 404),
    "POST /api/v1/admin/users/<uuid:user_id>/deactivate": (401, 403, 404),
    "PUT /api/v1/admin/users/<uuid:user_id>/role": (401, 403, 422),
    # {% endif %}
}
