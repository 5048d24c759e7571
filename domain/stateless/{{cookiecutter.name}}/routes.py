"""`POST /api/v1/{{cookiecutter.path}}`."""

from flask import Response

from app.core.api import Blueprint, json_response
from app.{{cookiecutter.name}} import schemas, service

blueprint = Blueprint("{{cookiecutter.name}}", __name__, description="{{cookiecutter.plural_label | capitalize}}")


@blueprint.route("", methods=["POST"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("{{cookiecutter.path}}:write")
# {% endif %}
@blueprint.arguments(schemas.{{cookiecutter.model}}RequestSchema)
@blueprint.response(200, schemas.{{cookiecutter.model}}Schema)
def create_{{cookiecutter.singular}}(values: service.{{cookiecutter.model}}Values) -> Response:
    """Check {{cookiecutter.article}} {{cookiecutter.label}} and return it; nothing is stored."""
    return json_response(service.create(values))
