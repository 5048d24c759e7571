import os
from collections.abc import Iterator
from uuid import uuid4

import pytest
from flask import Flask
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from conftest import MakeApp

NOWHERE = "redis://127.0.0.1:1/3"
with_redis = pytest.mark.skipif(
    "TEST_REDIS_URL" not in os.environ, reason="TEST_REDIS_URL names no Redis"
)


def _observed(app: Flask) -> Iterator[tuple[Flask, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    app.extensions["tracing"].provider().add_span_processor(SimpleSpanProcessor(exporter))
    yield app, exporter
    app.extensions["tracing"].shut_down()


@pytest.fixture
def without(make_app: MakeApp) -> Iterator[tuple[Flask, InMemorySpanExporter]]:
    yield from _observed(make_app(redis_url=NOWHERE))


def test_a_redis_that_is_away_is_seen_in_the_trace(
    without: tuple[Flask, InMemorySpanExporter],
) -> None:
    app, exporter = without
    assert app.test_client().get("/api/docs").status_code == 200

    command, request = exporter.get_finished_spans()
    assert command.kind is SpanKind.CLIENT
    assert command.status.status_code is StatusCode.ERROR
    assert command.parent
    assert request.context
    assert command.parent.span_id == request.context.span_id
    assert dict(command.attributes or {}) == {
        "db.system.name": "redis",
        "db.namespace": "3",
        "db.operation.name": "EVALSHA",
        "server.address": "127.0.0.1",
        "error.type": "ConnectionError",
    }


@with_redis
def test_a_limit_is_one_round_trip_and_shows_no_client(make_app: MakeApp) -> None:
    caller = {"REMOTE_ADDR": f"test-{uuid4()}"}
    for app, exporter in _observed(make_app(redis_url=os.environ["TEST_REDIS_URL"])):
        for _ in range(2):
            app.test_client().get("/api/docs", environ_base=caller)

        *_, command, request = exporter.get_finished_spans()
        assert [command.name, request.name] == ["EVALSHA", "GET /api/docs"]
        assert command.status.status_code is StatusCode.UNSET
        assert caller["REMOTE_ADDR"] not in command.to_json()
