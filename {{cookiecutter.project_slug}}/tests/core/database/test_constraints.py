"""Violated constraints, in a domain that only this test has."""

import json
from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask, Response
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from app.core import errors
from app.core.api import Blueprint, document
from app.core.database import ForeignKeyViolation, UniqueViolation, writing
from conftest import LogLines, MakeApp, body
from tests.toy_tables import Label, Note

pytestmark = pytest.mark.usefixtures("toy_tables")

SOME_ID, OTHER_ID = UUID(int=7), UUID(int=8)


def store(*rows: Label | Note) -> None:
    with writing() as session:
        session.add_all(rows)


def flush_twice() -> None:
    with writing() as session:
        session.add(Label(name="canary"))
        session.flush()
        session.add(Label(name="canary"))
        session.flush()


def delete_the_note() -> None:
    store(Note(id=SOME_ID))
    store(Label(name="tea", note_id=SOME_ID))
    with writing() as session:
        session.execute(delete(Note).where(Note.id == SOME_ID))


DEEDS: dict[str, Callable[[], None]] = {
    "two of a name": lambda: store(Label(name="canary"), Label(name="canary")),
    "two of a name, flushed": flush_twice,
    "two of an id": lambda: store(Note(id=SOME_ID), Note(id=SOME_ID, text="canary")),
    "no such note": lambda: store(Label(name="canary", note_id=OTHER_ID)),
    "a note in use": delete_the_note,
    "less than none": lambda: store(Label(name="tea", copies=-1)),
}


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    blueprint = Blueprint("labels", __name__, description="Write labels")

    @blueprint.route("/<deed>", methods=["POST"])
    @blueprint.response(204)
    def write_label(deed: str) -> Response:
        """Violate a constraint."""
        DEEDS[deed]()
        return Response(status=204)

    app.register_blueprint(blueprint, url_prefix="/labels")
    return app


@pytest.mark.parametrize("deed", ["two of a name", "two of a name, flushed", "two of an id"])
def test_a_value_that_exists_already_is_a_conflict_without_the_value(
    app: Flask, log_lines: LogLines, deed: str
) -> None:
    response = app.test_client().post(f"/labels/{deed}")

    assert (response.status_code, body(response)["code"]) == (409, "already_exists")
    assert [line["error.type"] for line in log_lines if line["message"] == "constraint violated"]
    for text in ("canary", "labels", "INSERT", SOME_ID.hex, str(SOME_ID)):
        assert text not in response.text
    assert "canary" not in json.dumps(log_lines)


@pytest.mark.parametrize("deed", ["no such note", "a note in use"])
def test_a_reference_that_would_be_broken_is_a_conflict(app: Flask, deed: str) -> None:
    response = app.test_client().post(f"/labels/{deed}")

    assert (response.status_code, body(response)["code"]) == (409, "broken_reference")
    assert "canary" not in response.text


def test_any_other_violation_is_a_bug(app: Flask, log_lines: LogLines) -> None:
    response = app.test_client().post("/labels/less%20than%20none")

    assert (response.status_code, body(response)["code"]) == (500, "internal_server_error")
    assert "IntegrityError" in str(log_lines)


def test_each_route_that_changes_something_documents_the_conflict(app: Flask) -> None:
    described = document(app)
    conflict = described["components"]["responses"]["CONFLICT"]
    operation = described["paths"]["/labels/{deed}"]["post"]

    assert operation["responses"]["409"] == {"$ref": "#/components/responses/CONFLICT"}
    assert {"already_exists", "broken_reference"} <= conflict["content"][errors.MEDIA_TYPE][
        "examples"
    ].keys()


def test_a_service_can_tell_violations_apart(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(UniqueViolation):
            DEEDS["two of a name"]()
        with pytest.raises(ForeignKeyViolation):
            DEEDS["no such note"]()
        with pytest.raises(IntegrityError) as caught:
            DEEDS["less than none"]()

    assert type(caught.value) is IntegrityError
