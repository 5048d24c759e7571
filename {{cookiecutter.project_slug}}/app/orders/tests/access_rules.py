"""The status of each route, by client, for resources that do not exist."""

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    "GET /api/v1/orders": (401, 200, 200),
    "POST /api/v1/orders": (401, 422, 422),
    "GET /api/v1/orders/<uuid:order_id>": (401, 404, 404),
    "POST /api/v1/orders/<uuid:order_id>/cancel": (401, 404, 404),
}
