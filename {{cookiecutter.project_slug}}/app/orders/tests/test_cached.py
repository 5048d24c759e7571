from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.caching import cache
from app.core.database import writing
from app.orders import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    admin_service,
    # {% endif %}
    repository,
    service,
)
from app.orders.tests.test_orders import BASKET, URL
from conftest import (  # one line where it fits
    LogLines,
    MakeApp,
    # {% if cookiecutter.auth != "none" %}
    authorization,
    # {% endif %}
    body,
    # {% if cookiecutter.auth != "none" %}
    user_id,
    # {% endif %}
)
from tests import (  # one line where it fits
    # {% if cookiecutter.web_ui %}
    browsers,
    # {% endif %}
    database,
)


@pytest.fixture
def location(client: FlaskClient) -> str:
    """Place an order and read it once; return its location."""
    location = client.post(URL, json=BASKET).headers["Location"]
    assert body(client.get(location))["status"] == "placed"
    return location


def id_of(location: str) -> UUID:
    return UUID(location.rpartition("/")[2])


def test_an_order_is_queried_once_and_then_answered_alike(
    client: FlaskClient, count_queries: database.CountQueries, log_lines: LogLines
) -> None:
    placed = client.post(URL, json=BASKET)
    location, etag = placed.headers["Location"], placed.headers["ETag"]

    with count_queries(2):
        first = client.get(location)
    with count_queries(0):
        again = client.get(location)
        held = client.get(location, headers={"If-None-Match": etag})

    assert first.json == again.json == placed.json
    assert first.headers["ETag"] == again.headers["ETag"] == etag
    assert again.headers["Cache-Control"] == "private, no-cache, no-transform"
    assert (held.status_code, held.data) == (304, b"")
    outcomes = [line["cache"] for line in log_lines if "cache" in line]
    assert outcomes == ["miss", "hit", "hit"]


def test_an_unknown_order_is_read_each_time(
    client: FlaskClient, count_queries: database.CountQueries
) -> None:
    for _ in range(2):
        with count_queries(1):
            assert client.get(f"{URL}/{uuid4()}").status_code == 404


def test_a_change_shows_in_the_next_read(client: FlaskClient, location: str) -> None:
    cancelled = client.post(f"{location}/cancel")

    found = client.get(location)

    assert found.json == cancelled.json
    assert found.headers["ETag"] == cancelled.headers["ETag"]


def test_a_value_read_during_a_commit_is_invalidated_after_it(
    app: Flask, client: FlaskClient, location: str
) -> None:
    with app.app_context(), writing() as session:
        order = repository.entity(session, id_of(location))
        assert order
        service.cancel_entity(order)
        session.flush()
        # Until the commit, other transactions see the old row and may cache it.
        assert body(client.get(location))["status"] == "placed"

    assert body(client.get(location))["status"] == "cancelled"


def test_an_order_that_is_gone_is_not_found(app: Flask, client: FlaskClient, location: str) -> None:
    with app.app_context(), writing() as session:
        session.delete(repository.entity(session, id_of(location)))

    assert client.get(location).status_code == 404


# {% if cookiecutter.auth != "none" %}
def test_a_change_by_an_administrator_shows_in_the_next_read(
    app: Flask, client: FlaskClient, location: str
) -> None:
    with app.app_context(), writing() as session:
        admin_service.cancel(session, id_of(location))

    assert body(client.get(location))["status"] == "cancelled"


@pytest.mark.attack
def test_nobody_reads_what_is_kept_for_somebody_else(
    app: Flask, client: FlaskClient, location: str, subtests: pytest.Subtests
) -> None:
    other = authorization(app, "other")
    for name, header, status in (
        ("another owner", other, 404),
        ("another owner who names its version", other, 404),
        ("anonymous", "", 401),
        ("a wrong token", "Bearer wrong", 401),
    ):
        with subtests.test(name):
            response = client.get(
                location, headers={"Authorization": header, "If-None-Match": '"1"'}
            )
            assert response.status_code == status
            assert "ETag" not in response.headers
    # The owner still has access.
    assert client.get(location).status_code == 200
    with app.app_context():
        assert service.representation(id_of(location), user_id(app)).version == 1


# {% endif %}
# {% if cookiecutter.web_ui %}
def test_a_change_on_a_page_shows_in_the_next_read(app: Flask) -> None:
    with app.app_context():
        order = service.place(  # one line where it fits
            BASKET,
            # {% if cookiecutter.auth != "none" %}
            owner_id=browsers.SOME_ID,
            # {% endif %}
        )

    def version() -> int:
        with app.app_context():
            found = service.representation(  # one line where it fits
                order.id,
                # {% if cookiecutter.auth != "none" %}
                browsers.SOME_ID,
                # {% endif %}
            )
        return found.version

    browser, page = browsers.user_browser(app), f"/orders/{order.id}"
    form = {"csrf_token": browsers.token(browser, page)}
    assert version() == 1
    assert browser.post(f"{page}/cancel", data=form, headers=browsers.SENT).status_code == 303
    assert version() == 2


# {% endif %}
def test_without_redis_responses_are_correct(make_app: MakeApp, log_lines: LogLines) -> None:
    client = make_app(redis_url="redis://127.0.0.1:1/0").test_client()

    placed = client.post(URL, json=BASKET)
    location = placed.headers["Location"]

    assert client.get(location).json == placed.json
    assert client.get(location).json == placed.json
    assert client.post(f"{location}/cancel").status_code == 200
    assert body(client.get(location))["status"] == "cancelled"
    assert {line["cache"] for line in log_lines if "cache" in line} == {"bypass"}
    assert sum(line.get("fallback") == "reads go to the database" for line in log_lines) == 1


@pytest.mark.slow
def test_a_hundred_requests_at_once_cause_one_read(
    app: Flask,
    client: FlaskClient,
    count_queries: database.CountQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A busy machine must not exceed these.
    monkeypatch.setattr(cache, "LEASE_SECONDS", 60)
    monkeypatch.setattr(cache, "WAIT_SECONDS", 60)
    placed = client.post(URL, json=BASKET)
    barrier = Barrier(100)

    def read(_: int) -> object:
        asking = app.test_client()
        barrier.wait()
        return asking.get(placed.headers["Location"]).json

    with count_queries(2), ThreadPoolExecutor(100) as threads:
        orders = list(threads.map(read, range(100)))

    assert orders == [placed.json] * 100
