"""The status of each route, by client, for resources that do not exist."""

from app.core.api import PREFIX

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    f"POST {PREFIX}/auth/email-change/confirm": (422, 422, 422),
    f"POST {PREFIX}/auth/email-verification": (422, 422, 422),
    f"POST {PREFIX}/auth/email-verification/confirm": (422, 422, 422),
    f"POST {PREFIX}/auth/login": (422, 422, 422),
    f"POST {PREFIX}/auth/logout": (401, 204, 204),
    f"POST {PREFIX}/auth/logout-everywhere": (401, 204, 204),
    f"POST {PREFIX}/auth/password-reset": (422, 422, 422),
    f"POST {PREFIX}/auth/password-reset/confirm": (422, 422, 422),
    f"POST {PREFIX}/auth/refresh": (422, 422, 422),
}
