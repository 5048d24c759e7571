"""The status of each route, by client, for resources that do not exist."""

from app.core.api import PREFIX

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    f"POST {PREFIX}/users": (422, 422, 422),
    f"DELETE {PREFIX}/users/me": (401, 422, 422),
    f"GET {PREFIX}/users/me": (401, 404, 200),
    f"POST {PREFIX}/users/me/email": (401, 422, 422),
    f"POST {PREFIX}/users/me/password": (401, 422, 422),
}
