"""The status of each route, by client, for resources that do not exist."""

from app.core.api import PREFIX

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    f"GET {PREFIX}/orders": (401, 200, 200),
    f"POST {PREFIX}/orders": (401, 422, 422),
    f"GET {PREFIX}/orders/<uuid:order_id>": (401, 404, 404),
    f"POST {PREFIX}/orders/<uuid:order_id>/cancel": (401, 404, 404),
}
