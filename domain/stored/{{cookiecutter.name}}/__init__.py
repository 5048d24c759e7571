"""{{cookiecutter.plural_label | capitalize}}: create, list, show, change and delete."""

from flask import Flask

# {% if cookiecutter.auth != "none" %}
from app.core import access, api
# {% else %}
from app.core import api
# {% endif %}
# {% if cookiecutter.metrics %}
from app.core.observability import metrics
from app.{{cookiecutter.name}} import routes, service
# {% else %}
from app.{{cookiecutter.name}} import routes
# {% endif %}


def init_app(app: Flask) -> None:
    """Serve `/api/v1/{{cookiecutter.path}}`."""
    # {% if cookiecutter.auth != "none" %}
    roles = ("user", "admin")
    access.declare_scopes(app, {"{{cookiecutter.path}}:read": roles, "{{cookiecutter.path}}:write": roles})
    # {% endif %}
    app.register_blueprint(routes.blueprint, url_prefix=f"{api.PREFIX}/{{cookiecutter.path}}")
    # {% if cookiecutter.metrics %}
    metrics.count(
        app,
        service.created,
        "{{cookiecutter.name}}_created_total",
        "{{cookiecutter.plural_label | capitalize}} that were stored; a repeated request counts once",
    )
    # {% endif %}
