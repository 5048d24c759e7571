"""The suites of generated services on real PostgreSQL, MariaDB, Redis and RabbitMQ."""

import pytest

import real_servers
from bakery import Bakery
from checks import passes_its_own_tests
from combinations import Answers, covering_set, ident

pytestmark = pytest.mark.slow


def shares_redis(answers: Answers) -> bool:
    """Return whether the service stores something in Redis."""
    return bool(answers.get("rate_limiting") or answers.get("caching"))


def servers(answers: Answers) -> dict[str, str]:
    """Return the server for each variable of the service's suite."""
    database = answers.get("database")
    found = {"TEST_DATABASE_URL": str(database)} if database in real_servers.URLS else {}
    return found | ({"TEST_REDIS_URL": "redis"} if shares_redis(answers) else {})


def with_workers() -> list[Answers]:
    """Choose a combination with background tasks for each database: workers take long to start."""
    rows = [row for row in covering_set() if row.get("background_tasks")]
    return list({row["database"]: row for row in rows}.values())


@pytest.mark.long
@pytest.mark.parametrize("answers", [row for row in covering_set() if servers(row)], ids=ident)
def test_the_suite_passes_on_real_servers(answers: Answers, bakery: Bakery) -> None:
    urls = real_servers.needed(*servers(answers).values())
    env = {variable: urls[name] for variable, name in servers(answers).items()}

    passes_its_own_tests(bakery, bakery.bake(answers), env=env)


@pytest.mark.long
@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
@pytest.mark.parametrize("answers", with_workers(), ids=ident)
def test_workers_keep_their_promises_on_real_brokers(
    answers: Answers, broker: str, bakery: Bakery
) -> None:
    urls = real_servers.needed(broker, *servers(answers).values())
    env = {variable: urls[name] for variable, name in servers(answers).items()}
    project = bakery.bake(answers)
    suites = [
        f"tests/core/tasks/test_{each}.py" for each in ("workers", "queue_metrics", "task_metrics")
    ]
    job = bakery.job(
        "suite",
        project,
        "requirements-dev.txt",
        env=env | {"TEST_BROKER_URL": urls[broker]},
        arguments=[suite for suite in suites if (project / suite).exists()],
    )

    output = bakery.run(job)

    assert "skipped" not in output, "no worker was started"


def test_without_a_server_the_test_is_skipped_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    monkeypatch.setitem(real_servers.URLS, "redis", "redis://127.0.0.1:1/0")

    with pytest.raises(pytest.skip.Exception, match=r"no redis answers at 127\.0\.0\.1: start one"):
        real_servers.needed("redis")


def test_where_servers_are_required_the_test_fails_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUIRE_SERVICES", "1")
    monkeypatch.setitem(real_servers.URLS, "redis", "redis://127.0.0.1:1/0")

    with pytest.raises(pytest.fail.Exception, match="no redis answers"):
        real_servers.needed("redis")
