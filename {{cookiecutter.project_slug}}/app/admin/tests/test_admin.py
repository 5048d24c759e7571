from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.admin import service
from app.core.api import PREFIX
from conftest import LogLines, MakeApp, authorization, user_id

AUDIT = f"{PREFIX}/admin/audit"


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    """Return a client of an administrator."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = authorization(app, "admin")
    return client


def entries(client: FlaskClient, **query: object) -> dict[str, Any]:
    found = client.get(AUDIT, query_string=query).json
    assert isinstance(found, dict)
    return found


def change(app: Flask, subject_id: UUID) -> None:
    """Change a note that exists in this test alone."""
    with (
        app.app_context(),
        service.audited(user_id(app, "admin"), "note.change", subject_id) as session,
    ):
        assert session.in_transaction()


def test_each_change_leaves_one_entry_with_its_administrator_and_action(
    app: Flask, admin: FlaskClient, log_lines: LogLines
) -> None:
    subject_id = uuid4()

    change(app, subject_id)

    (entry,) = entries(admin)["items"]
    del entry["id"], entry["created_at"]
    assert entry == {
        "actor_id": str(user_id(app, "admin")),
        "action": "note.change",
        "subject_id": str(subject_id),
    }
    assert [line["action"] for line in log_lines if line["message"] == "audit entry added"] == [
        "note.change"
    ]


def test_a_change_that_fails_leaves_no_entry(app: Flask, admin: FlaskClient) -> None:
    with (
        app.app_context(),
        pytest.raises(RuntimeError),
        service.audited(user_id(app, "admin"), "note.change", uuid4()),
    ):
        raise RuntimeError

    assert entries(admin)["items"] == []


def test_the_audit_log_has_pages(app: Flask, admin: FlaskClient) -> None:
    ids = [uuid4() for _ in range(3)]
    for subject_id in ids:
        change(app, subject_id)

    first = entries(admin, limit=2)
    rest = entries(admin, limit=2, cursor=first["next_cursor"])
    seen = [entry["subject_id"] for entry in [*first["items"], *rest["items"]]]
    assert seen == [str(subject_id) for subject_id in reversed(ids)]


@pytest.mark.attack
def test_a_route_without_a_scope_admits_only_administrators(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    app = make_app()
    app.add_url_rule("/forgotten", "admin.forgotten", lambda: "open")
    app.test_client_class = FlaskClient  # the route is not in the API document
    principals = (("", 401), (authorization(app), 403), (authorization(app, "admin"), 200))
    for header, status in principals:
        with subtests.test(status=status):
            response = app.test_client().get(
                "/forgotten", headers={"Authorization": header}, buffered=True
            )

            assert response.status_code == status
