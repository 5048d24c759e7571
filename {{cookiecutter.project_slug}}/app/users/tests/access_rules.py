"""The status of each route, by client, for resources that do not exist."""

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    "POST /api/v1/users": (422, 422, 422),
    "DELETE /api/v1/users/me": (401, 422, 422),
    "GET /api/v1/users/me": (401, 404, 200),
    "POST /api/v1/users/me/email": (401, 422, 422),
    "POST /api/v1/users/me/password": (401, 422, 422),
}
