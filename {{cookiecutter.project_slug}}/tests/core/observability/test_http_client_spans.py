from collections.abc import Iterator

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from app.core.access.jwks import ALGORITHMS, ProviderClient
from app.core.observability import http_client_spans
from app.core.observability.tracing import request_tracing
from conftest import LogLines, MakeApp
from tests.provider import KEY, OpenIDProvider, Realm
from tests.waiting import HANG_TIMEOUT_SECONDS

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def realm(openid_provider: OpenIDProvider) -> Realm:
    return openid_provider.realm(KEY)


@pytest.fixture(scope="module")
def app(make_app: MakeApp, realm: Realm) -> Flask:
    app = make_app()

    @app.get("/key")
    def key() -> str:
        return str(ProviderClient(realm.issuer, ALGORITHMS).key("first"))

    @app.get("/call")
    def call() -> dict[str, str]:
        with requests.Session() as session:
            http_client_spans.observe(session)
            session.trust_env = False
            url = realm.issuer.replace("//", "//me:HUSH@") + "/odd?token=HUSH"
            return dict(session.get(url, timeout=HANG_TIMEOUT_SECONDS).request.headers)

    @app.get("/down")
    def down() -> str:
        with requests.Session() as session:
            http_client_spans.observe(session)
            return session.get("http://127.0.0.1:1/", timeout=HANG_TIMEOUT_SECONDS).text

    return app


@pytest.fixture
def spans(app: Flask) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    request_tracing.of(app).provider().add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    request_tracing.of(app).shut_down()


def _id(span: ReadableSpan) -> int:
    assert span.context
    return int(span.context.span_id)


def test_a_request_to_the_provider_is_a_child_span_of_the_request(
    client: FlaskClient, spans: InMemorySpanExporter, realm: Realm
) -> None:
    client.get("/key")

    *calls, request = spans.get_finished_spans()
    assert len(calls) == 2, "the discovery document and the keys"
    for call in calls:
        assert call.name == "GET"
        assert call.kind is SpanKind.CLIENT
        assert call.parent
        assert call.parent.span_id == _id(request)
        assert call.status.status_code is StatusCode.UNSET
        assert call.attributes
        assert call.attributes["http.response.status_code"] == 200
        assert str(call.attributes["url.full"]).startswith(realm.issuer)
        assert call.attributes["server.address"] == "127.0.0.1"


def test_the_server_gets_the_trace_context_and_a_4xx_is_an_error(
    client: FlaskClient, spans: InMemorySpanExporter, realm: Realm
) -> None:
    realm.set_response("/odd?token=HUSH", "no", status=403)

    headers = client.get("/call", headers={"traceparent": f"00-{TRACE}-{'b' * 16}-01"}).json

    call, _ = spans.get_finished_spans()
    assert headers is not None
    assert headers["traceparent"] == f"00-{TRACE}-{_id(call):016x}-01"
    assert call.status.status_code is StatusCode.ERROR
    assert call.attributes
    assert call.attributes["error.type"] == "403"
    assert call.attributes["url.full"] == f"{realm.issuer}/odd"
    assert "HUSH" not in str(dict(call.attributes))


def test_a_server_that_does_not_respond_is_an_error_too(
    client: FlaskClient, spans: InMemorySpanExporter, log_lines: LogLines
) -> None:
    assert client.get("/down").status_code == 500

    call, _ = spans.get_finished_spans()
    assert call.status.status_code is StatusCode.ERROR
    assert call.attributes
    assert call.attributes["error.type"] == "ConnectionError"
    assert call.attributes["server.port"] == 1
    assert {line["trace_id"] for line in log_lines}


def test_without_a_recorded_request_there_is_no_span(
    client: FlaskClient, spans: InMemorySpanExporter, realm: Realm
) -> None:
    realm.set_response("/odd?token=HUSH", "no", status=403)
    headers = client.get("/call", headers={"traceparent": f"00-{TRACE}-{'b' * 16}-00"}).json

    assert spans.get_finished_spans() == ()
    assert headers is not None
    assert headers["traceparent"].endswith("-00"), "the other side would record its part alone"

    ProviderClient(realm.issuer, ALGORITHMS).key("first")
    assert spans.get_finished_spans() == ()
