"""A domain for tests of the core: notes. The core's tests use it instead of the service's domains.

`init_app` adds it to an application that only one test uses. No table and no migration of the
service belongs to it.
"""

from flask import Flask, Response
from marshmallow import fields, validate

from app import create_app
from app.core import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    schemas,
)
from app.core.api import (  # one line where it fits
    PREFIX,
    Blueprint,
    # {% if cookiecutter.database != "none" %}
    conditional_requests,
    # {% endif %}
    json_response,
    # {% if cookiecutter.database != "none" %}
    pagination,
    # {% endif %}
)

URL = f"{PREFIX}/notes"
FACTORY = "tests.toy:serve()"
"""The application that Gunicorn serves instead of the service."""
NOTE = {"text": "Buy tea", "copies": 2}
# {% if cookiecutter.auth != "none" %}
SCOPES = {"notes:read": ("user", "admin"), "notes:write": ("admin",)}
# {% endif %}


class NoteSchema(schemas.Schema):
    """A text, and the number of copies."""

    text = fields.String(required=True, validate=validate.Length(1, 100))
    copies = schemas.Integer(required=True, validate=validate.Range(1, 10))
    size = schemas.Integer(dump_only=True)


blueprint = Blueprint("notes", __name__, description="Write notes")


@blueprint.route("", methods=["POST"])
@blueprint.arguments(NoteSchema)
@blueprint.response(200, NoteSchema)
def check_note(note: dict[str, object]) -> Response:
    """Return the note of the request; no token is required."""
    return json_response(note)


# {% if cookiecutter.auth != "none" %}
@blueprint.route("", methods=["GET"])
@blueprint.requires("notes:read")
@blueprint.response(200, NoteSchema)
def get_note() -> Response:
    """Return a note with the principal's id."""
    return json_response({"text": str(access.principal().id), "copies": 1})


@blueprint.route("", methods=["PUT"])
@blueprint.requires("notes:write")
@blueprint.arguments(NoteSchema)
@blueprint.response(200, NoteSchema)
def replace_note(note: dict[str, object]) -> Response:
    """Return the note of the request, with the principal's id as its text."""
    access.require_scope("notes:read")  # a second check needs no query
    return json_response({**note, "text": str(access.principal().id)})


@blueprint.route("/reader", methods=["GET"])
@blueprint.identifies()
@blueprint.response(200, NoteSchema)
def get_note_for_reader() -> Response:
    """Return a note with the principal's id, or for nobody."""
    reader = access.optional_principal()
    return json_response({"text": str(reader.id) if reader else "nobody", "copies": 1})


# {% endif %}
# {% if cookiecutter.database != "none" %}
@blueprint.route("/pages", methods=["GET"])
@blueprint.arguments(pagination.PageQuery, location="query")
@blueprint.response(200, NoteSchema(many=True))
def get_page(_query: dict[str, object]) -> Response:
    """Return a note for every page."""
    return json_response([NOTE])


@blueprint.route("/<uuid:note_id>", methods=["GET"])
@blueprint.arguments(conditional_requests.ReadConditions, location="headers")
@blueprint.response(200, NoteSchema, headers=conditional_requests.ETAG)
@blueprint.alt_response(304, description="You hold this version", headers=conditional_requests.ETAG)
@blueprint.problems(412)
def get_stored_note(_headers: object, note_id: object) -> Response:
    """Return version 3 of the note with this id, unless the client has it."""
    body = json_response({**NOTE, "text": str(note_id)}).get_data()
    return conditional_requests.respond_conditionally(conditional_requests.Representation(3, body))


# {% endif %}
def init_app(app: Flask) -> Flask:
    """Serve `/api/v1/notes`, and return the application."""
    # {% if cookiecutter.auth != "none" %}
    access.declare_scopes(app, SCOPES)
    # {% endif %}
    app.register_blueprint(blueprint, url_prefix=URL)
    return app


def serve() -> Flask:
    """Return the service and the toy domain, for a server in a process of its own."""
    return init_app(create_app())
