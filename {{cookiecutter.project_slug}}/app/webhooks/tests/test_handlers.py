from uuid import UUID, uuid4

import marshmallow as ma
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import webhooks
from app.core.api import document
from app.core.errors import Unprocessable
from app.webhooks import Event
from app.webhooks.handlers import event_types
from app.webhooks.tests import NOTE_ADDED, NoteSchema, deliver, note, signed, with_notes
from conftest import LogLines, MakeApp


class Notes:
    """A handler that keeps what it gets, and fails for the first deliveries."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.seen: list[Event] = []

    def add(self, event: Event) -> None:
        self.seen.append(event)
        if len(self.seen) <= self.failures:
            raise Unprocessable


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def app(make_app: MakeApp, notes: Notes) -> Flask:
    return with_notes(make_app(), notes.add)


def test_a_handler_gets_the_data_that_its_schema_has_loaded(
    client: FlaskClient, notes: Notes
) -> None:
    note_id, body = uuid4(), note()

    response = deliver(client, note(note_id=str(note_id), new_field="of the sender"))
    deliver(client, body, signed(body, delivery_id := uuid4().hex))

    assert (response.status_code, response.data) == (204, b"")
    first, second = notes.seen
    assert first.data == {"note_id": UUID(str(note_id)), "copies": 2, "language": "en"}
    assert (second.delivery_id, second.name) == (delivery_id, NOTE_ADDED)


def test_all_handlers_of_a_type_are_called_in_the_order_of_their_registration(
    app: Flask, client: FlaskClient, notes: Notes
) -> None:
    other = Notes()
    for handler in (lambda _event: other.add(notes.seen[-1]), other.add):
        webhooks.register(app, NOTE_ADDED, NoteSchema, handler)

    deliver(client, note())

    assert other.seen == notes.seen * 2


def test_a_type_is_registered_with_one_schema(app: Flask) -> None:
    other = ma.Schema.from_dict({}, name="Other")

    with pytest.raises(ValueError, match=r"note\.added is registered with NoteSchema"):
        webhooks.register(app, NOTE_ADDED, other, lambda _: None)


@pytest.mark.attack
def test_a_delivery_that_is_replayed_counts_once(
    client: FlaskClient, notes: Notes, log_lines: LogLines
) -> None:
    body = note()
    headers = signed(body)

    assert [deliver(client, body, headers).status_code for _ in range(3)] == [204] * 3

    assert len(notes.seen) == 1
    messages = [line["message"] for line in log_lines if "webhook_id" in line]
    assert messages == ["webhook redelivered"] * 2


def test_a_delivery_whose_handler_failed_is_processed_again(
    client: FlaskClient, notes: Notes
) -> None:
    notes.failures = 1
    body = note()
    headers = signed(body)

    assert [deliver(client, body, headers).status_code for _ in range(3)] == [422, 204, 204]
    assert len(notes.seen) == 2


def test_the_document_lists_each_registered_type(app: Flask, client: FlaskClient) -> None:
    webhooks.register(app, "note.book_closed", NoteSchema, lambda _: None)
    found = client.get("/api/openapi.json").json
    assert found is not None

    names = found["components"]["schemas"].keys()
    assert {"NoteAdded", "NoteBookClosed", "Event"} <= names


def test_without_handlers_the_document_describes_any_event(make_app: MakeApp) -> None:
    app = make_app()
    event_types.set(app, {})

    described = document(app)["components"]["schemas"]["Event"]["properties"]["type"]

    assert "not" not in described
