"""The status of each route, by client."""

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    # {% if cookiecutter._required %}
    "POST /api/v1/{{cookiecutter.path}}": (401, 422, 422),
    # {% else %}
    "POST /api/v1/{{cookiecutter.path}}": (401, 200, 200),
    # {% endif %}
}
