"""The status of each route, by client."""

from app.{{cookiecutter.name}}.tests import URL

RULES: dict[str, tuple[int, int, int]] = {
    # route: (no token, a user, an administrator)
    # {% if cookiecutter._required %}
    f"POST {URL}": (401, 422, 422),
    # {% else %}
    f"POST {URL}": (401, 200, 200),
    # {% endif %}
}
