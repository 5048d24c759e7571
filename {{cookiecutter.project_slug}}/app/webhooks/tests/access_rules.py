"""The status of each route, by client, for resources that do not exist."""

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    "POST /webhooks/payments": (403, 403, 403),  # without a signature
}
