"""The status of each route, by client, for resources that do not exist."""

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    "POST /api/v1/auth/email-change/confirm": (422, 422, 422),
    "POST /api/v1/auth/email-verification": (422, 422, 422),
    "POST /api/v1/auth/email-verification/confirm": (422, 422, 422),
    "POST /api/v1/auth/login": (422, 422, 422),
    "POST /api/v1/auth/logout": (401, 204, 204),
    "POST /api/v1/auth/logout-everywhere": (401, 204, 204),
    "POST /api/v1/auth/password-reset": (422, 422, 422),
    "POST /api/v1/auth/password-reset/confirm": (422, 422, 422),
    "POST /api/v1/auth/refresh": (422, 422, 422),
}
