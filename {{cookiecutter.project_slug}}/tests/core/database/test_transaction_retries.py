"""Deadlocks and serialization failures: simulated, and real ones on a server."""

import threading
import time
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from app.core.database import db, reading_engine, transaction_retries, writing
from conftest import LogLines, MakeApp, body
from tests.repeating import View, commit, on_a_server
from tests.toy_tables import Note
from tests.waiting import HANG_TIMEOUT_SECONDS, wait_until

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

pytestmark = pytest.mark.usefixtures("toy_tables")

# How a server shows that a session waits for a lock.
WAITING = {
    # {% if cookiecutter.database == "postgresql" %}
    "postgresql": "SELECT 1 FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "mysql": "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
    # {% endif %}
}


class Refused(Exception):  # noqa: N818  stands for a driver's own
    """An error of the database, with a driver's code."""

    def __init__(self, code: object) -> None:
        super().__init__(code)
        self.sqlstate = code if isinstance(code, str) else None

    def thrown(self) -> OperationalError:
        return OperationalError("UPDATE notes", None, self)


@pytest.fixture(scope="module")
def view(make_app: MakeApp) -> View:
    return View(make_app())


def refuse(code: object) -> None:
    raise Refused(code).thrown()


fail_to_serialize = partial(refuse, next(iter(transaction_retries.CODES)))


def commit_and_fail() -> None:
    commit()
    fail_to_serialize()


def test_a_view_with_a_serialization_failure_runs_once_more(
    view: View, log_lines: LogLines, subtests: pytest.Subtests
) -> None:
    for code in transaction_retries.CODES:
        with subtests.test(str(code)):
            assert view.post(partial(refuse, code), commit).status_code == 200
            assert view.runs == 2
            (line,) = [line for line in log_lines if line["message"] == "transactions collided"]
            assert line["retried"] is True
            log_lines.clear()


def test_a_view_with_two_serialization_failures_is_a_503(view: View) -> None:
    response = view.post(fail_to_serialize, fail_to_serialize)

    assert (response.status_code, view.runs) == (503, 2)
    assert response.headers["Retry-After"] == "1"
    assert body(response)["code"] == "transaction_conflict"


def test_a_view_that_has_committed_something_does_not_run_again(view: View) -> None:
    response = view.post(commit_and_fail)

    assert (response.status_code, view.runs) == (503, 1)
    assert body(response)["code"] == "transaction_conflict"


def test_other_errors_of_the_database_are_not_tried_again(view: View) -> None:
    response = view.post(partial(refuse, "57P01"))  # the server is shutting down

    assert (response.status_code, view.runs) == (503, 1)
    assert body(response)["code"] == "database_unavailable"


def stored(app: Flask, number: int) -> list[UUID]:
    placed = [Note() for _ in range(number)]
    with app.app_context(), writing() as session:
        session.add_all(placed)
    return [each.id for each in placed]


def wait_until_the_view_waits(app: Flask) -> None:
    """Wait for the view: PostgreSQL aborts the transaction that first checks for deadlocks."""
    with reading_engine.of(app).connect() as connection:
        wait_until(lambda: connection.exec_driver_sql(WAITING[connection.dialect.name]).first())
    time.sleep(0.3)


@pytest.mark.process
def test_a_deadlock_on_a_server_is_tried_again(view: View) -> None:
    on_a_server(view.app, *WAITING)
    # PostgreSQL checks for a deadlock once, a second after a wait began. On a busy machine the deadlock
    # may arise after the view's check. Our transaction is then aborted, and the test tries again.
    assert any(the_view_is_ended_and_runs_again(view) for _ in range(20))


def the_view_is_ended_and_runs_again(view: View) -> bool:
    """Make a view and a transaction deadlock; return whether the server aborted the view's."""
    first, second, *more = stored(view.app, 5)
    holds_first = threading.Event()

    def lock_both() -> None:
        with writing() as session:
            session.execute(select(Note.id).where(Note.id == first).with_for_update())
            holds_first.set()
            session.execute(select(Note.id).where(Note.id == second).with_for_update())

    def change(note_id: UUID) -> None:
        copies = update(Note).where(Note.id == note_id).values(copies=1)
        connection.execute(copies)

    responses: list[TestResponse] = []
    with view.app.app_context(), db.engine.connect() as connection:
        # MySQL ends the transaction that has changed less.
        for each in (second, *more):
            change(each)
        request = threading.Thread(target=lambda: responses.append(view.post(lock_both, lock_both)))
        request.start()
        assert holds_first.wait(HANG_TIMEOUT_SECONDS)
        wait_until_the_view_waits(view.app)
        try:
            change(first)
            connection.commit()
        except OperationalError:
            connection.rollback()
            runs = 1
        else:
            runs = 2
        request.join(HANG_TIMEOUT_SECONDS)

    assert [response.status_code for response in responses] == [200]
    assert view.runs == runs
    return runs == 2


# {% if cookiecutter.database == "postgresql" %}
@pytest.mark.process
def test_a_serialization_failure_on_a_server_is_tried_again(view: View) -> None:
    on_a_server(view.app, "postgresql")
    (note_id,) = stored(view.app, 1)
    change = update(Note).where(Note.id == note_id)

    def change_what_was_read() -> None:
        with writing() as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            session.execute(select(Note.copies).where(Note.id == note_id))
            if view.runs == 1:
                with reading_engine.of(view.app).connect() as other:
                    other.execute(change.values(copies=5))
            session.execute(change.values(copies=Note.copies + 1))

    assert view.post(change_what_was_read, change_what_was_read).status_code == 200
    assert view.runs == 2
    with reading_engine.of(view.app).connect() as connection:
        assert connection.execute(select(Note.copies)).scalars().all() == [6]


# {% endif %}
def test_outside_a_request_there_is_no_session_to_renew(app: Flask) -> None:
    with app.app_context():
        commit()
