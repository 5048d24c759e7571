"""The status of each route, by client, for resources that do not exist."""

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    "POST /api/v1/quotes": (422, 422, 422),
}
