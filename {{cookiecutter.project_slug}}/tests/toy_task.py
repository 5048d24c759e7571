"""The toy domain's task: a request queues an email with a note, and a worker sends it."""

from typing import Any
from uuid import uuid4

from flask import Flask, Response
from marshmallow import fields

from app import create_app
from app.core.api import Blueprint, json_response
from app.core.mail import Email, EmailField, email_queue
from app.core.schemas import Schema
from app.core.tasks import Task, tasks
from app.settings import Settings
from tests import (  # one line where it fits
    toy,
    # {% if cookiecutter.database != "none" %}
    toy_claims,
    # {% endif %}
)

URL = f"{toy.URL}/emails"
NOTE = {"email": "ada@mail.example"}


class NoteEmailSchema(Schema):
    """An email with a note: a request names its recipient, and a message its id, too."""

    id = fields.UUID()
    email = EmailField(required=True)


# {% if cookiecutter.database != "none" %}
@toy_claims.once
# {% endif %}
def send(values: dict[str, Any]) -> None:
    """Send a note."""
    email = Email(values["email"], "A note", "Buy tea\n")
    email_queue.current.deliver(values["email"], email, f"note.{values['id']}")


# {% if cookiecutter.database == "none" %}
def publish(task: Task, values: dict[str, Any]) -> None:
    """Publish a message; a worker runs the task."""
    tasks.current.publish(tasks.current.create_message(task, values))


enqueue = publish
# {% endif %}
# {% if cookiecutter.database != "none" %}
enqueue = toy_claims.enqueue
# {% endif %}
TASK = Task("notes.send", NoteEmailSchema(), send)
blueprint = Blueprint("note_emails", __name__, description="Send notes")


@blueprint.route("", methods=["POST"])
@blueprint.arguments(NoteEmailSchema)
@blueprint.response(202, NoteEmailSchema)
def send_note(values: dict[str, Any]) -> Response:
    """Queue an email with a note; return its id."""
    note = {**values, "id": uuid4()}
    enqueue(TASK, note)
    return json_response({"id": str(note["id"]), "email": note["email"]}, 202)


def init_app(app: Flask) -> Flask:
    """Serve `/api/v1/notes/emails`, register the task, and return the application."""
    tasks.of(app).add(TASK)
    app.register_blueprint(blueprint, url_prefix=URL)
    return app


def create_app_with_task(settings: Settings) -> Flask:
    """Return the service with the toy task, for workers."""
    return init_app(create_app(settings))
