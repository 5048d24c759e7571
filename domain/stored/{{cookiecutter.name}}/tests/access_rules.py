"""The status of each route, by client, for resources that do not exist."""

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    "GET /api/v1/{{cookiecutter.path}}": (401, 200, 200),
    # {% if cookiecutter._required %}
    "POST /api/v1/{{cookiecutter.path}}": (401, 422, 422),
    # {% else %}
    "POST /api/v1/{{cookiecutter.path}}": (401, 201, 201),
    # {% endif %}
    "GET /api/v1/{{cookiecutter.path}}/<uuid:{{cookiecutter.singular}}_id>": (401, 404, 404),
    "PATCH /api/v1/{{cookiecutter.path}}/<uuid:{{cookiecutter.singular}}_id>": (401, 404, 404),
    "DELETE /api/v1/{{cookiecutter.path}}/<uuid:{{cookiecutter.singular}}_id>": (401, 404, 404),
}
