"""The status of each route, by client, for resources that do not exist."""

from app.core.api import PREFIX

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    f"POST {PREFIX}/quotes": (422, 422, 422),
}
