"""The status of each route, by client, for resources that do not exist."""

from app.core.api import PREFIX

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    f"GET {PREFIX}/admin/audit": (401, 403, 200),
    # {% if cookiecutter.example %}
    f"GET {PREFIX}/admin/orders": (401, 403, 200),
    f"POST {PREFIX}/admin/orders/<uuid:order_id>/cancel": (401, 403, 404),
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    f"GET {PREFIX}/admin/users": (401, 403, 200),
    f"GET {PREFIX}/admin/users/<uuid:user_id>": (401, 403, 404),
    f"POST {PREFIX}/admin/users/<uuid:user_id>/activate": (401, 403, 404),
    f"POST {PREFIX}/admin/users/<uuid:user_id>/deactivate": (401, 403, 404),
    f"PUT {PREFIX}/admin/users/<uuid:user_id>/role": (401, 403, 422),
    # {% endif %}
}
