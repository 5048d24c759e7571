from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.core.database import reading
from app.core.errors import Unprocessable
from app.webhooks import Event, service
from app.webhooks.models import Delivery
from app.webhooks.tests import deliver, note, signed, with_notes
from conftest import MakeApp


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return with_notes(make_app())


def deliveries(app: Flask) -> int:
    with app.app_context(), reading() as connection:
        return connection.execute(select(func.count()).select_from(Delivery)).scalar_one()


def refuse(event: Event) -> None:
    event.session.add(Delivery(digest="0" * 64, received_at=datetime.now(UTC)))
    raise Unprocessable


def test_what_a_handler_changed_is_undone_when_it_fails(app: Flask, client: FlaskClient) -> None:
    with_notes(app, refuse)

    assert deliver(client, note()).status_code == 422

    assert deliveries(app) == 0


@pytest.mark.slow
def test_of_fifty_deliveries_at_once_one_counts(make_app: MakeApp) -> None:
    handled: list[Event] = []
    app, body, barrier = with_notes(make_app(), handled.append), note(), Barrier(10)
    headers = signed(body)

    def send(_number: int) -> TestResponse:
        barrier.wait()
        return deliver(app.test_client(), body, headers)

    with ThreadPoolExecutor(10) as threads:
        statuses = [response.status_code for response in threads.map(send, range(50))]

    assert statuses == [204] * 50
    assert len(handled) == 1
    assert deliveries(app) == 1


def test_old_deliveries_can_be_deleted(app: Flask, client: FlaskClient) -> None:
    deliver(client, note())

    prune = ["prune", "--only", "webhook_deliveries"]
    assert app.test_cli_runner().invoke(args=prune).output == "webhook_deliveries: 0 deleted\n"
    with app.app_context():
        assert service.delete_before(datetime.now(UTC) + timedelta(1)) == 1
    assert deliveries(app) == 0
