from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from app.core.database import db
from app.core.observability.sqlalchemy_spans import observe
from app.core.observability.tracing import request_tracing
from conftest import MakeApp

TABLES = {"any": "SELECT :value", "missing": "SELECT :value FROM nowhere"}


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return _with_a_query(make_app())


@pytest.fixture
def spans(app: Flask) -> Iterator[InMemorySpanExporter]:
    """Return the finished spans of `app`, as the SDK hands them to an exporter."""
    exporter = InMemorySpanExporter()
    provider = request_tracing.of(app).provider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    request_tracing.of(app).shut_down()


def _with_a_query(app: Flask) -> Flask:
    @app.get("/query/<table>")
    def query(table: str) -> str:
        with db.engine.connect() as connection:
            connection.execute(text(TABLES[table]), {"value": 4711})
        return ""

    return app


def test_a_query_is_a_child_of_its_request_and_shows_no_value(
    app: Flask, client: FlaskClient, spans: InMemorySpanExporter
) -> None:
    client.get("/query/any")

    *_, query, request = spans.get_finished_spans()
    assert query.name == "SELECT"
    assert query.parent is not None
    assert request.context is not None
    assert query.parent.span_id == request.context.span_id
    assert query.attributes is not None
    assert query.attributes["db.operation.name"] == "SELECT"
    assert query.attributes["db.system.name"] == db_system(app)
    assert "4711" not in str(query.attributes["db.query.text"])


def test_a_query_that_fails_is_marked(client: FlaskClient, spans: InMemorySpanExporter) -> None:
    client.get("/query/missing")

    *_, query, _ = spans.get_finished_spans()
    assert query.status.status_code is StatusCode.ERROR


def test_a_request_that_is_not_recorded_has_no_query_spans(
    client: FlaskClient, spans: InMemorySpanExporter
) -> None:
    unrecorded = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}
    for table in TABLES:
        client.get(f"/query/{table}", headers=unrecorded)

    assert spans.get_finished_spans() == ()


def test_failing_to_connect_is_no_query(
    app: Flask, spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/missing/file.db")
    observe(engine, request_tracing.of(app))

    with pytest.raises(OperationalError):
        engine.connect()

    assert spans.get_finished_spans() == ()


def test_switched_off_means_untouched_queries(make_app: MakeApp) -> None:
    app = _with_a_query(make_app(otel_sdk_disabled=True))

    assert app.test_client().get("/query/any").status_code == 200


def db_system(app: Flask) -> str:
    with app.app_context():
        return db.engine.dialect.name
