from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from flask import Flask, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core.api import Blueprint
from app.core.database import ForeignKeyViolation, insert_if_absent, reading, writing
from conftest import MakeApp
from tests.database import CountQueries
from tests.toy_tables import Label, Note

pytestmark = pytest.mark.usefixtures("toy_tables")

SIMULTANEOUS = 72


def stored() -> list[tuple[str, int, int]]:
    query = select(Label.name, Label.copies, Label.version).order_by(Label.name)
    with reading() as connection:
        return [(row.name, row.copies, row.version) for row in connection.execute(query)]


def test_a_row_is_inserted_once_and_the_transaction_goes_on(app: Flask) -> None:
    with app.app_context():
        with writing() as session:
            assert insert_if_absent(session, Label(name="tea", copies=1))
            assert not insert_if_absent(session, Label(name="tea", copies=2))
            session.add(Label(name="coffee"))

        assert stored() == [("coffee", 0, 1), ("tea", 1, 1)]


def test_a_row_of_the_same_id_is_there_too(app: Flask) -> None:
    with app.app_context(), writing() as session:
        assert insert_if_absent(session, Note(id=UUID(int=7)))
        assert not insert_if_absent(session, Note(id=UUID(int=7), text="Buy coffee"))


def test_it_takes_one_statement(app: Flask, count_queries: CountQueries) -> None:
    for _ in range(2):
        with app.app_context(), writing() as session, count_queries(1):
            insert_if_absent(session, Label(name="tea"))


def test_it_hides_no_other_violation(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(ForeignKeyViolation), writing() as session:
            insert_if_absent(session, Label(name="tea", note_id=UUID(int=7)))
        with pytest.raises(IntegrityError), writing() as session:
            insert_if_absent(session, Label(name="tea", copies=-1))

        assert stored() == []


@pytest.fixture
def served(make_app: MakeApp) -> Flask:
    app = make_app(database_pool_timeout_seconds=60)
    blueprint = Blueprint("labels", __name__, description="Write labels")

    @blueprint.route("/<name>", methods=["PUT"])
    @blueprint.response(201)
    @blueprint.alt_response(204, description="The label exists already")
    def put_label(name: str) -> Response:
        """Store a label unless it exists."""
        with writing() as session:
            inserted = insert_if_absent(session, Label(name=name))
        return Response(status=201 if inserted else 204)

    @blueprint.route("/<name>", methods=["POST"])
    @blueprint.response(201)
    def post_label(name: str) -> Response:
        """Store a label."""
        with writing() as session:
            session.add(Label(name=name))
        return Response(status=201)

    app.register_blueprint(blueprint, url_prefix="/labels")
    return app


@pytest.mark.slow
@pytest.mark.parametrize(("method", "others"), [("PUT", 204), ("POST", 409)])
def test_of_simultaneous_requests_one_inserts_the_row_and_none_fails(
    served: Flask, method: str, others: int
) -> None:
    ready = Barrier(SIMULTANEOUS)

    def send(number: int) -> int:
        client = served.test_client()
        ready.wait()
        return client.open(f"/labels/{number % 2}", method=method).status_code

    with ThreadPoolExecutor(SIMULTANEOUS) as threads:
        statuses = sorted(threads.map(send, range(SIMULTANEOUS)))

    assert statuses == [201] * 2 + [others] * (SIMULTANEOUS - 2)
    with served.app_context():
        assert stored() == [("0", 0, 1), ("1", 0, 1)]
