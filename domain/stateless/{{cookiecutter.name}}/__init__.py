"""{{cookiecutter.plural_label | capitalize}}: checked and answered. Nothing is stored."""

from flask import Flask

# {% if cookiecutter.auth != "none" %}
from app.core import access, api
# {% else %}
from app.core import api
# {% endif %}
from app.{{cookiecutter.name}} import routes


def init_app(app: Flask) -> None:
    """Serve `/api/v1/{{cookiecutter.path}}`."""
    # {% if cookiecutter.auth != "none" %}
    access.declare_scopes(app, {"{{cookiecutter.path}}:write": ("user", "admin")})
    # {% endif %}
    app.register_blueprint(routes.blueprint, url_prefix=f"{api.PREFIX}/{{cookiecutter.path}}")
