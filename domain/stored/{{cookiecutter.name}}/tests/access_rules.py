"""The status of each route, by client, for resources that do not exist."""

from app.{{cookiecutter.name}}.tests import URL

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    f"GET {URL}": (401, 200, 200),
    # {% if cookiecutter._required %}
    f"POST {URL}": (401, 422, 422),
    # {% else %}
    f"POST {URL}": (401, 201, 201),
    # {% endif %}
    f"GET {URL}/<uuid:{{cookiecutter.singular}}_id>": (401, 404, 404),
    f"PATCH {URL}/<uuid:{{cookiecutter.singular}}_id>": (401, 404, 404),
    f"DELETE {URL}/<uuid:{{cookiecutter.singular}}_id>": (401, 404, 404),
}
