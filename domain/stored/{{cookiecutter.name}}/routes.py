"""`/api/v1/{{cookiecutter.path}}`."""

from typing import NotRequired, TypedDict
from uuid import UUID

import orjson
from flask import Response, url_for

from app.core import access, api
from app.core.api import conditional_requests, idempotency, pagination
from app.core.api.conditional_requests import ETAG
from app.{{cookiecutter.name}} import schemas, service

blueprint = api.Blueprint("{{cookiecutter.name}}", __name__, description="{{cookiecutter.plural_label | capitalize}}")

LOCATION = {
    "Location": {
        "description": "URL of the {{cookiecutter.label}}",
        "schema": {"type": "string", "format": "uri-reference"},
    }
}


class _Headers(TypedDict):
    idempotency_key: NotRequired[str]


@blueprint.route("", methods=["POST"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("{{cookiecutter.path}}:write")
# {% endif %}
@blueprint.arguments(idempotency.IdempotencyHeaders, location="headers")
@blueprint.arguments(schemas.{{cookiecutter.model}}RequestSchema)
@blueprint.response(201, schemas.{{cookiecutter.model}}Schema, headers={**LOCATION, **ETAG})
def create_{{cookiecutter.singular}}(headers: _Headers, values: service.{{cookiecutter.model}}Values) -> Response:
    """Create {{cookiecutter.article}} {{cookiecutter.label}}; send an Idempotency-Key to make retries safe."""
    created = service.create(
        values,
        headers.get("idempotency_key"),
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.principal().id,
        # {% endif %}
    )
    location = {"Location": url_for(".get_{{cookiecutter.singular}}", {{cookiecutter.singular}}_id=created.id)}
    return conditional_requests.versioned(api.json_response(created, 201, location), created.version)


@blueprint.route("", methods=["GET"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("{{cookiecutter.path}}:read")
# {% endif %}
# {% if cookiecutter._filters %}
@blueprint.arguments(schemas.{{cookiecutter.model}}QuerySchema, location="query")
# {% else %}
@blueprint.arguments(pagination.PageQuery, location="query")
# {% endif %}
@blueprint.response(200, schemas.{{cookiecutter.model}}PageSchema)
def list_{{cookiecutter.name}}(query: pagination.PageArguments) -> Response:
    """Return a page of {{cookiecutter.plural_label}}, newest first."""
    page = service.list_{{cookiecutter.name}}(
        query["limit"],
        query.get("cursor"),
        # {% if cookiecutter._filters %}
        query,
        # {% endif %}
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.principal().id,
        # {% endif %}
    )
    return api.json_response(page.as_dict())


@blueprint.route("/<uuid:{{cookiecutter.singular}}_id>", methods=["GET"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("{{cookiecutter.path}}:read")
# {% endif %}
@blueprint.arguments(conditional_requests.ReadConditions, location="headers")
@blueprint.response(200, schemas.{{cookiecutter.model}}Schema, headers=ETAG)
@blueprint.alt_response(304, description="You have the current version", headers=ETAG)
@blueprint.problems(404, 412)
def get_{{cookiecutter.singular}}(_headers: object, {{cookiecutter.singular}}_id: UUID) -> Response:
    """Return one {{cookiecutter.label}}."""
    found = service.find(
        {{cookiecutter.singular}}_id,
        # {% if cookiecutter.auth != "none" %}
        access.principal().id,
        # {% endif %}
    )
    return conditional_requests.respond_conditionally(
        conditional_requests.Representation(found.version, orjson.dumps(found))
    )


@blueprint.route("/<uuid:{{cookiecutter.singular}}_id>", methods=["PATCH"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("{{cookiecutter.path}}:write")
# {% endif %}
@blueprint.arguments(conditional_requests.ChangeConditions, location="headers")
@blueprint.arguments(schemas.{{cookiecutter.model}}ChangeSchema)
@blueprint.response(200, schemas.{{cookiecutter.model}}Schema, headers=ETAG)
@blueprint.problems(404, 409, 412)
def change_{{cookiecutter.singular}}(_headers: object, changes: dict[str, object], {{cookiecutter.singular}}_id: UUID) -> Response:
    """Change the fields that are sent; send If-Match to change only the version you have seen."""
    changed = service.change(
        {{cookiecutter.singular}}_id,
        changes,
        # {% if cookiecutter.auth != "none" %}
        access.principal().id,
        # {% endif %}
        if_match_holds=conditional_requests.if_match_holds,
    )
    return conditional_requests.versioned(api.json_response(changed), changed.version)


@blueprint.route("/<uuid:{{cookiecutter.singular}}_id>", methods=["DELETE"])
# {% if cookiecutter.auth != "none" %}
@blueprint.requires("{{cookiecutter.path}}:write")
# {% endif %}
@blueprint.arguments(conditional_requests.ChangeConditions, location="headers")
@blueprint.response(204)
@blueprint.problems(404, 409, 412)
def delete_{{cookiecutter.singular}}(_headers: object, {{cookiecutter.singular}}_id: UUID) -> Response:
    """Delete {{cookiecutter.article}} {{cookiecutter.label}}; send If-Match to delete only the version you have seen."""
    service.delete(
        {{cookiecutter.singular}}_id,
        # {% if cookiecutter.auth != "none" %}
        access.principal().id,
        # {% endif %}
        if_match_holds=conditional_requests.if_match_holds,
    )
    return Response(status=204)
