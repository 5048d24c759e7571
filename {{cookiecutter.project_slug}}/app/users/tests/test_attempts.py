import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from app.core import pseudonyms
from app.core.api import PREFIX
from app.core.database import reading, writing
from app.users import attempts
from app.users.models import Attempt
from app.users.tests import PASSWORD, make, new_address
from conftest import MakeApp
from tests.database import CountQueries

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"
WRONG = "a guess of somebody"


def log_in(client: FlaskClient, email: str, address: str, password: str = WRONG) -> TestResponse:
    payload = {"email": email, "password": password}
    return client.post(f"{PREFIX}/auth/login", json=payload, environ_base={"REMOTE_ADDR": address})


def count(app: Flask) -> int:
    with app.app_context(), reading() as connection:
        return connection.execute(select(func.count(Attempt.id))).scalar_one()


def later(app: Flask, seconds: float) -> None:
    """Set the time of all attempts to this many seconds ago."""
    with app.app_context(), writing() as transaction:
        then = datetime.now(UTC) - timedelta(seconds=seconds)
        transaction.execute(update(Attempt).values(at=then))


@pytest.mark.attack
def test_repeated_guesses_are_limited_with_and_without_an_account(
    app: Flask, client: FlaskClient
) -> None:
    existing, missing = new_address(), new_address()
    make(app, existing)
    for email in (existing, missing):
        tries = [log_in(client, email, HOME) for _ in range(5)]
        assert {response.status_code for response in tries} == {401}

        refused = log_in(client, email.upper(), HOME, PASSWORD)

        assert refused.status_code == 429
        assert refused.json is not None
        assert refused.json["code"] == "too_many_attempts"
        assert 890 <= int(refused.headers["Retry-After"]) <= 900
    # The owner can log in from another network, which does not reset the count of this one.
    assert log_in(client, existing, ELSEWHERE, PASSWORD).status_code == 200
    assert log_in(client, existing, HOME, PASSWORD).status_code == 429
    assert count(app) == 10  # refused and successful attempts do not count

    later(app, attempts.LOGIN.seconds - 2)
    assert int(log_in(client, existing, HOME, PASSWORD).headers["Retry-After"]) <= 2
    later(app, attempts.LOGIN.seconds + 1)
    assert log_in(client, existing, HOME, PASSWORD).status_code == 200


def test_a_clock_that_is_set_back_locks_nobody_out(app: Flask, client: FlaskClient) -> None:
    email = new_address()
    make(app, email)
    for _ in range(6):
        log_in(client, email, HOME)
    later(app, -10)  # within the allowed clock skew
    assert log_in(client, email, HOME, PASSWORD).status_code == 429

    later(app, -3_600)

    assert log_in(client, email, HOME, PASSWORD).status_code == 200


@pytest.mark.attack
def test_one_network_cannot_try_account_after_account(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        network = pseudonyms.of_network(HOME)
        for number in range(attempts.LOGIN.network):
            attempts.begin(attempts.LOGIN, f"account {number}", network)

    assert log_in(client, new_address(), HOME).status_code == 429
    assert log_in(client, new_address(), ELSEWHERE).status_code == 401


@pytest.mark.slow
@pytest.mark.attack
def test_a_port_or_no_address_makes_nobody_another_network(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    app = make_app(trusted_proxy_hops=1)
    for name, forwarded_for in {
        "IPv4 with a port": "203.0.113.6:{}",
        "IPv6 with a port": "[2001:db8:6::1]:{}",
        "another address of one IPv6 network": "2001:db8:7::{}",
        "no address": "hidden-{}",
    }.items():
        email = new_address()
        make(app, email)
        with subtests.test(name):
            tries = [
                app.test_client()
                .post(
                    f"{PREFIX}/auth/login",
                    json={"email": email, "password": WRONG},
                    headers={"X-Forwarded-For": forwarded_for.format(1_000 + number)},
                )
                .status_code
                for number in range(30)
            ]
            assert tries == [401] * 5 + [429] * 25
            assert log_in(app.test_client(), email, ELSEWHERE, PASSWORD).status_code == 200


@pytest.mark.attack
def test_nobody_locks_an_owner_out(app: Flask, client: FlaskClient) -> None:
    email = new_address()
    make(app, email)
    assert log_in(client, email, HOME, PASSWORD).status_code == 200
    with app.app_context():
        account = pseudonyms.of_account(email)
        for number in range(attempts.LOGIN.account):
            attempts.begin(attempts.LOGIN, account, f"network {number}")

    assert log_in(client, email, ELSEWHERE, PASSWORD).status_code == 429
    assert log_in(client, email, HOME, PASSWORD).status_code == 200


@pytest.mark.attack
def test_concurrent_guesses_are_all_counted(app: Flask) -> None:
    email = new_address()
    barrier = Barrier(12)

    def guess(_: int) -> int:
        client = app.test_client()
        barrier.wait()
        return log_in(client, email, HOME).status_code

    with ThreadPoolExecutor(12) as threads:
        statuses = list(threads.map(guess, range(12)))

    assert statuses.count(401) <= attempts.LOGIN.pair
    assert set(statuses) <= {401, 429}


def test_the_same_queries_are_sent_with_and_without_an_account(
    app: Flask, client: FlaskClient, count_queries: CountQueries
) -> None:
    wrong, unconfirmed, closed = (new_address() for _ in range(3))
    make(app, wrong)
    make(app, unconfirmed, email_verified_at=None)
    make(app, closed, deactivated_at=datetime.now(UTC))
    for email, password in (
        (new_address(), PASSWORD),
        (wrong, WRONG),
        (unconfirmed, PASSWORD),
        (closed, PASSWORD),
    ):
        with count_queries(4):  # account; attempt; known network; all counts
            assert log_in(client, email, HOME, password).status_code == 401


@pytest.mark.slow
@pytest.mark.attack
def test_the_time_of_a_refusal_does_not_reveal_what_exists(
    app: Flask, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "check", lambda *_, **__: None)
    # A hash must dominate the time of the request.
    client = make_app(argon2_memory_kib=8_192, argon2_time_cost=2).test_client()
    existing, closed = new_address(), new_address()
    with client.application.app_context():
        make(client.application, existing)
        make(client.application, closed, deactivated_at=datetime.now(UTC))

    def seconds(email: str) -> float:
        # CPU time, because the test machine may be busy.
        before = time.thread_time()
        log_in(client, email, HOME)
        return time.thread_time() - before

    emails = {"existing": existing, "closed": closed, "missing": new_address()}
    took: dict[str, list[float]] = {name: [] for name in emails}
    for _ in range(7):
        for name, email in emails.items():
            took[name].append(seconds(email))
    quickest = [min(each) for each in took.values()]

    assert max(quickest) < 2 * min(quickest), took
    assert count(app) == 21


def test_old_attempts_can_be_deleted(app: Flask, client: FlaskClient) -> None:
    log_in(client, new_address(), HOME)
    invoke = app.test_cli_runner().invoke

    assert invoke(args=["prune", "--only", "attempts"]).output == "attempts: 0 deleted\n"
    later(app, attempts.EMAIL.seconds + 1)
    assert invoke(args=["prune", "--only", "attempts"]).output == "attempts: 1 deleted\n"
