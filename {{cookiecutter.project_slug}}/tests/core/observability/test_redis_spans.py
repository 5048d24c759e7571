import os
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from redis import Redis

from app.core.config.secret_url import SecretURL
from app.core.http import redis_server
from app.core.observability import redis_spans
from app.core.observability.tracing import request_tracing
from conftest import MakeApp
from tests.waiting import HANG_TIMEOUT_SECONDS

NOWHERE = "redis://127.0.0.1:1/3"
with_redis = pytest.mark.skipif(
    "TEST_REDIS_URL" not in os.environ, reason="TEST_REDIS_URL names no Redis"
)
RunCommand = Callable[..., tuple[ReadableSpan, ...]]


@pytest.fixture
def run(make_app: MakeApp) -> Iterator[RunCommand]:
    """Send a command to Redis in a request, and return its spans."""
    app = make_app()
    exporter = InMemorySpanExporter()
    request_tracing.of(app).provider().add_span_processor(SimpleSpanProcessor(exporter))

    def run_in_a_request(url: str, *command: str) -> tuple[ReadableSpan, ...]:
        client = Redis(connection_pool=redis_server.pool(SecretURL(url)))
        send = redis_spans.traced(client, command[0], client.execute_command)
        app.add_url_rule("/run", view_func=lambda: repr(send(*command)))
        app.test_client().get("/run")
        return exporter.get_finished_spans()

    yield run_in_a_request
    request_tracing.of(app).shut_down()


def test_a_redis_that_is_away_is_seen_in_the_trace(run: RunCommand) -> None:
    command, request = run(NOWHERE, "PING")

    assert command.kind is SpanKind.CLIENT
    assert command.status.status_code is StatusCode.ERROR
    assert command.parent
    assert request.context
    assert command.parent.span_id == request.context.span_id
    assert dict(command.attributes or {}) == {
        "db.system.name": "redis",
        "db.namespace": "3",
        "db.operation.name": "PING",
        "server.address": "127.0.0.1",
        "error.type": "ConnectionError",
    }


@with_redis
def test_a_command_is_one_span_and_shows_no_key(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "REDIS_TIMEOUT_SECONDS", HANG_TIMEOUT_SECONDS)
    command, request = run(os.environ["TEST_REDIS_URL"], "GET", "of-somebody")

    assert [command.name, request.name] == ["GET", "GET /run"]
    assert command.status.status_code is StatusCode.UNSET
    assert "of-somebody" not in command.to_json()
