import os
import time
from ipaddress import IPv6Address
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import ValidationError

from app.core import errors
from app.core.config import InvalidSettings
from app.core.http import redis_server
from app.core.http.rate_limits import Counters, LocalCounters, RateLimitSettings
from app.settings import Settings
from conftest import LogLines, MakeApp
from tests.redis_failover import failed_over
from tests.waiting import HANG_TIMEOUT_SECONDS

PATH = "/api/docs"
LIMITED = "/api/openapi.json"  # a route with a limit of its own
NOWHERE = "redis://127.0.0.1:1/0"


def new_address() -> str:
    """Return an address in a network that no other test uses."""
    return str(IPv6Address(uuid4().int))


@pytest.fixture(autouse=True)
def _middle_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock, so that no test crosses the end of a window."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_015.0)


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return make_app(rate_limit="2/minute", rate_limit_routes=f"GET {LIMITED}=1/hour")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a client with an address of its own, which has sent nothing yet."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = new_address()
    return client


def test_every_response_has_the_remaining_limit(client: FlaskClient) -> None:
    headers = client.get(PATH).headers

    assert headers["RateLimit-Limit"] == "2"
    assert headers["RateLimit-Remaining"] == "1"
    assert headers["RateLimit-Reset"] == "45"
    assert headers["RateLimit-Policy"] == "2;w=60"
    assert "Retry-After" not in headers


def test_a_client_over_its_limit_gets_the_time_to_retry(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = [client.get(PATH).status_code for _ in range(3)]
    refused = client.get("/nowhere")

    assert statuses == [200, 200, 429]
    assert refused.status_code == 429
    assert refused.mimetype == errors.MEDIA_TYPE
    assert refused.json is not None
    assert refused.json["code"] == "too_many_requests"
    assert refused.headers["Retry-After"] == "45"
    assert refused.headers["RateLimit-Remaining"] == "0"

    monkeypatch.setattr(time, "time", lambda: 1_800_000_060.0)
    assert client.get(PATH).status_code == 200


def test_clients_are_counted_apart_and_cannot_choose_who_they_are(client: FlaskClient) -> None:
    for _ in range(2):
        client.get(PATH)

    assert client.get(PATH, headers={"X-Forwarded-For": "9.9.9.9"}).status_code == 429
    assert client.get(PATH, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


def test_probes_are_never_limited(client: FlaskClient) -> None:
    responses = [client.get("/health/live") for _ in range(5)]

    assert {response.status_code for response in responses} == {200}
    assert "RateLimit-Limit" not in responses[0].headers


def test_a_route_can_have_a_limit_of_its_own(client: FlaskClient) -> None:
    first, second = (client.get(LIMITED) for _ in range(2))
    assert first.headers["RateLimit-Policy"] == "1;w=3600"
    assert [first.status_code, second.status_code] == [200, 429]
    assert first.headers["RateLimit-Remaining"] == "0"


def test_of_two_exhausted_limits_the_longer_one_sets_the_time_to_retry(
    client: FlaskClient,
) -> None:
    for _ in range(3):
        client.get(PATH)
    refused = [client.get(LIMITED) for _ in range(2)][-1]

    assert refused.status_code == 429
    assert refused.headers["RateLimit-Policy"] == "1;w=3600"
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
    assert refused.headers["Retry-After"] == "3585"


def test_a_limit_for_a_route_that_does_not_exist_stops_the_start(make_app: MakeApp) -> None:
    with pytest.raises(InvalidSettings, match="RATE_LIMIT_ROUTES: names routes that do not exist"):
        make_app(rate_limit_routes={"GET /api/dosc": "1/hour"})


def test_an_invalid_limit_is_refused() -> None:
    for limit in ("lots", "", "5/fortnight", "5/minute;1/second", "5 per minute, 1 per second"):
        with pytest.raises(ValidationError, match="is not a limit such as"):
            Settings.model_validate({"app_env": "testing", "rate_limit": limit})
    for twice in ("GET /a=1/minute,GET /a=5/minute", "GET /a=1/minute, GET /a=1/minute"):
        with pytest.raises(ValidationError, match="names a route twice"):
            Settings.model_validate({"app_env": "testing", "rate_limit_routes": twice})


@pytest.mark.attack
def test_a_client_cannot_become_another_one_by_its_port_or_spelling(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    client = make_app(trusted_proxy_hops=1, rate_limit="1/minute").test_client()
    for first, again in (
        ("192.0.2.7:4711", "192.0.2.7:4712"),
        ("192.0.2.8", "::ffff:192.0.2.8"),
        ("[2001:db8:1:2::3]:4711", "2001:db8:1:2::4"),
        ("unknown", "_hidden"),
    ):
        with subtests.test(f"{first} and {again}"):
            spellings = ({"X-Forwarded-For": value} for value in (first, again))
            responses = [client.get(PATH, headers=headers) for headers in spellings]
            assert [response.status_code for response in responses] == [200, 429]


@pytest.mark.attack
def test_head_counts_towards_the_limit_of_get(make_app: MakeApp) -> None:
    client = make_app(rate_limit_routes=f"GET {PATH}=2/hour").test_client()

    statuses = [client.open(PATH, method=method).status_code for method in ("HEAD", "GET", "HEAD")]

    assert statuses == [200, 200, 429]
    with pytest.raises(InvalidSettings, match="HEAD"):
        make_app(rate_limit_routes=f"HEAD {PATH}=2/hour")


def test_counts_of_this_process_expire_with_their_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    counters = LocalCounters()

    assert [counters.incr("a", 60) for _ in range(3)] == [1, 2, 3]
    assert counters.incr("b", 3_600) == 1
    clock[0] += 61
    assert counters.incr("b", 3_600) == 2
    assert list(counters._counts) == ["b"]  # noqa: SLF001  what takes memory
    assert counters.incr("a", 60) == 1


def test_without_redis_the_service_keeps_answering_and_counts_by_itself(
    make_app: MakeApp, log_lines: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_app(rate_limit="2/minute", redis_url=NOWHERE).test_client()

    assert [client.get(PATH).status_code for _ in range(3)] == [200, 200, 429]
    warnings = [line for line in log_lines if line["message"] == "Redis unavailable"]
    assert len(warnings) == 1, "Redis was tried again at every request"

    resumed = time.monotonic() + redis_server.PAUSE_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: resumed)
    client.get(PATH)
    assert len([line for line in log_lines if line["message"] == "Redis unavailable"]) == 2


def test_a_failover_of_redis_is_noticed_by_its_first_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_server, "REDIS_TIMEOUT_SECONDS", HANG_TIMEOUT_SECONDS)
    with failed_over(b":7\r\n") as url:
        counters = Counters(url)
        assert [counters.hit("a", 60) for _ in range(2)] == [1, 2], "not counted by this process"

        resumed = time.monotonic() + redis_server.PAUSE_SECONDS
        monkeypatch.setattr(time, "monotonic", lambda: resumed)
        assert [counters.hit("a", 60) for _ in range(2)] == [7, 7]


@pytest.mark.skipif("TEST_REDIS_URL" not in os.environ, reason="TEST_REDIS_URL names no Redis")
def test_processes_share_their_counts_in_redis(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "REDIS_TIMEOUT_SECONDS", HANG_TIMEOUT_SECONDS)
    settings = {"rate_limit": "2/minute", "redis_url": os.environ["TEST_REDIS_URL"]}
    first, second = (make_app(**settings).test_client() for _ in range(2))
    # An address of its own, so that a count left by an earlier run does not matter.
    principal = {"REMOTE_ADDR": new_address()}

    assert [first.get(PATH, environ_base=principal).status_code for _ in range(2)] == [200, 200]
    assert second.get(PATH, environ_base=principal).status_code == 429


def test_production_warns_that_counts_are_not_shared(production: dict[str, str]) -> None:
    values = {name: production[name] for name in ("app_env", "secret_key")}
    alone = RateLimitSettings.model_validate(values)
    together = RateLimitSettings.model_validate({**values, "redis_url": NOWHERE})

    assert any("REDIS_URL" in sentence for sentence in alone.warnings())
    assert not any("REDIS_URL" in sentence for sentence in together.warnings())
