"""The status of each route, by client, for resources that do not exist."""

from app.webhooks.routes import URL

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    f"POST {URL}": (403, 403, 403),  # without a signature
}
