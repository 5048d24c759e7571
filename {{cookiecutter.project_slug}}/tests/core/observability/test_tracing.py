import gzip
import json
import logging
import os
import threading
import zlib
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.trace import get_current_span
from pydantic import ValidationError

from app.core.observability import logs, tracing
from app.settings import Settings
from conftest import LogLines, MakeApp
from tests.servers import gunicorn
from tests.tls_server import HTTP_OK, tls_server

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    """A small OTLP/HTTP receiver on a real connection."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.requests: list[ExportTraceServiceRequest] = []
        self.authorization: str | None = None
        self.url = f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resource(self) -> dict[str, Any]:
        return _values(self.requests[0].resource_spans[0].resource.attributes)


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match self.headers["Content-Encoding"]:
            case "gzip":
                body = gzip.decompress(body)
            case "deflate":
                body = zlib.decompress(body)
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.server.authorization = self.headers["Authorization"]
        self.send_response(200)
        self.end_headers()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log nothing."""


def _values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: pair.value.int_value or pair.value.string_value for pair in attributes}


@pytest.fixture(scope="module")
def running_collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def collector(running_collector: Collector) -> Collector:
    running_collector.requests.clear()
    return running_collector


@pytest.fixture(scope="module")
def app(make_app: MakeApp, running_collector: Collector) -> Flask:
    app = make_app(
        service_version="1.2.3",
        otel_exporter_otlp_endpoint=running_collector.url,
        otel_exporter_otlp_headers="authorization=Bearer%20abc",
    )

    @app.get("/calls-another-service")
    def calls_another_service() -> dict[str, str]:
        return tracing.outgoing_headers()

    @app.get("/bug")
    def bug() -> str:
        raise RuntimeError

    @app.get("/calls/<int:status>")
    def calls(status: int) -> str:
        with tracing.client_span("ASK", {"server.address": "stock.example"}) as span:
            if status == 0:
                raise ConnectionError
            if status >= 400:
                tracing.failed(span, status)
        return ""

    @app.get("/busy")
    def busy() -> tuple[str, int]:
        return "", 503

    return app


def _flush(app: Flask) -> None:
    tracing.request_tracing.of(app).shut_down()


def test_a_request_becomes_a_span_at_the_collector(
    app: Flask, client: FlaskClient, collector: Collector
) -> None:
    client.get("/api/docs?token=abc", headers={"User-Agent": "curl/8"})
    _flush(app)

    (span,) = collector.spans()
    assert span.name == "GET /api/docs"
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.end_time_unix_nano > span.start_time_unix_nano
    assert _values(span.attributes) == {
        "client.address": "127.0.0.1",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/api/docs",
        "server.address": "localhost",
        "url.path": "/api/docs",
        "url.scheme": "http",
        "user_agent.original": "curl/8",
    }
    resource = collector.resource()
    assert resource["service.version"] == "1.2.3"
    assert resource["deployment.environment.name"] == "testing"
    assert resource["process.pid"] == os.getpid()
    assert UUID(resource["service.instance.id"])
    assert collector.authorization == "Bearer abc"


def test_the_trace_of_the_client_continues_in_logs_and_outgoing_requests(
    app: Flask, client: FlaskClient, collector: Collector, log_lines: LogLines
) -> None:
    called = client.get(
        "/calls-another-service", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}
    )
    _flush(app)

    (span,) = collector.spans()
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == PARENT
    (access,) = log_lines
    assert access["trace_id"] == TRACE
    assert access["span_id"] == span.span_id.hex()
    assert called.json is not None
    assert called.json["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01"


def test_a_bug_marks_its_span_and_a_clients_mistake_does_not(
    app: Flask, client: FlaskClient, collector: Collector
) -> None:
    for path in ("/bug", "/busy", "/nowhere"):
        client.get(path)
    _flush(app)

    failed, refused, missing = collector.spans()
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert _values(failed.attributes)["error.type"] == "RuntimeError"
    assert failed.events[0].name == "exception"
    assert _values(refused.attributes)["error.type"] == "503"
    assert missing.name == "GET"
    assert missing.status.code == Status.STATUS_CODE_UNSET


def test_a_request_that_is_not_sampled_has_ids_all_the_same(
    app: Flask, client: FlaskClient, collector: Collector, log_lines: LogLines
) -> None:
    client.get("/bug", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    _flush(app)

    assert collector.spans() == []
    assert {line["trace_id"] for line in log_lines} == {TRACE}


def test_opentelemetrys_names_come_before_our_own() -> None:
    values = {"app_env": "testing", "service_name": "ours", "service_version": "1"}
    for overrides, name, version in (
        ({}, "ours", "1"),
        ({"otel_resource_attributes": "service.name=r,service.version=2%2B1"}, "r", "2+1"),
        (
            {"otel_service_name": "theirs", "otel_resource_attributes": "service.name=r"},
            "theirs",
            "1",
        ),
    ):
        settings = Settings.model_validate({**values, **overrides})

        resource = tracing.start(settings).resource.attributes
        record = logging.makeLogRecord({"msg": "x"})
        line = json.loads(
            logs.JSONFormatter(settings.telemetry_name, settings.telemetry_version).format(record)
        )

        assert (resource["service.name"], resource["service.version"]) == (name, version)
        assert (line["service.name"], line["service.version"]) == (name, version)


def test_an_unknown_opentelemetry_variable_is_ignored_with_a_warning(
    subtests: pytest.Subtests,
) -> None:
    for name, value in (
        ("otel_traces_sampler", "parentbased_jaeger_remote"),
        ("otel_traces_sampler_arg", "endpoint=http://localhost:14250"),
        ("otel_traces_sampler_arg", "1.5"),
        ("otel_resource_attributes", "team=shop,nonsense"),
        ("otel_sdk_disabled", "yes"),
    ):
        with subtests.test(f"{name}={value}"):
            settings = Settings.model_validate({"app_env": "testing", name: value})
            warned = [each for each in settings.warnings() if each.startswith(name.upper())]

            assert len(warned) == 1
            assert settings.traces
            span = tracing.start(settings).get_tracer("test").start_span("any")
            assert span.is_recording()
    for sampler in ("ALWAYS_ON", " always_on "):
        settings = Settings.model_validate({"app_env": "testing", "otel_traces_sampler": sampler})
        assert settings.sampler == "always_on"


def test_where_tracing_is_switched_off_nothing_about_it_stops_the_start(
    make_app: MakeApp, log_lines: LogLines
) -> None:
    app = make_app(
        otel_sdk_disabled="TRUE",
        otel_traces_sampler="xray",
        otel_traces_sampler_arg="x",
        otel_exporter_otlp_endpoint="collector:4317",
        otel_exporter_otlp_headers="Bearer hush",
        otel_exporter_otlp_certificate="/missing.pem",
        otel_resource_attributes="nonsense",
    )

    assert app.test_client().get("/api/docs").status_code == 200
    assert not any("OTEL" in line["message"] for line in log_lines)


@pytest.mark.process
def test_a_number_that_is_none_stops_neither_the_start_nor_a_request(tmp_path: Path) -> None:
    environment = {
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many",
        "OTEL_SPAN_EVENT_COUNT_LIMIT": "-1",
        "OTEL_BSP_MAX_QUEUE_SIZE": "100",
        "OTEL_BSP_SCHEDULE_DELAY": "0",
        "OTEL_TRACES_SAMPLER": "xray",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "WEB_CONCURRENCY": "1",
    }
    with gunicorn(tmp_path, **environment) as server:
        server.get("/api/docs")

    warned = {line["message"].split()[0] for line in server.lines()}
    assert {
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_TRACES_SAMPLER",
    } < warned


@pytest.mark.slow
@pytest.mark.attack
def test_a_collector_is_trusted_only_with_a_certificate_for_its_name(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, known, accepted in (
        ("127.0.0.1", False, False),
        ("127.0.0.1", True, True),
        ("collector.example", True, False),
    ):
        # A refused exporter retries until its timeout.
        monkeypatch.setattr(tracing, "EXPORT_SECONDS", 60 if accepted else 1)
        with tls_server(tmp_path, name, response=HTTP_OK) as server:
            app = make_app(
                otel_exporter_otlp_endpoint=f"https://127.0.0.1:{server.port}",
                otel_exporter_otlp_certificate=server.ca_file if known else None,
            )
            app.test_client().get("/api/docs")
            _flush(app)

        assert set(server.accepted) == {accepted}


@pytest.mark.attack
def test_no_log_line_contains_the_headers_of_the_collector(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, log_lines: LogLines
) -> None:
    monkeypatch.setattr(tracing, "EXPORT_SECONDS", 0.1)
    app = make_app(
        otel_exporter_otlp_endpoint="http://hush@127.0.0.1:1",
        otel_exporter_otlp_headers="key=hush, other=hush",
    )
    app.test_client().get("/api/docs")
    _flush(app)

    assert len(log_lines) > 0
    assert "hush" not in str(log_lines)
    with pytest.raises(ValidationError, match="must be name=value, separated by commas"):
        make_app(otel_exporter_otlp_headers="Bearer hush")


def test_an_operator_may_name_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-7,team=shop")

    resource = tracing.start(Settings.model_validate({"app_env": "testing"})).resource

    assert resource.attributes["service.instance.id"] == "pod-7"
    assert resource.attributes["team"] == "shop"


def test_a_host_may_be_written_in_any_way(
    app: Flask, client: FlaskClient, collector: Collector
) -> None:
    hosts = {
        "shop.example:8443": {"server.address": "shop.example", "server.port": 8443},
        "[::1]:8000": {"server.address": "::1", "server.port": 8000},
        "shop.example:x": {},
    }
    for host in hosts:
        client.get("/api/docs", headers={"Host": host})
    _flush(app)

    seen = [_values(span.attributes) for span in collector.spans()]
    assert [
        {name: values[name] for name in ("server.address", "server.port") if name in values}
        for values in seen
    ] == [*hosts.values()]


def test_a_call_is_a_child_span_of_its_request_with_its_outcome(
    app: Flask, client: FlaskClient, collector: Collector
) -> None:
    for status in (200, 404, 0):
        client.get(f"/calls/{status}")
    _flush(app)

    call, above, refused, _, broken, _ = collector.spans()
    assert call.name == "ASK"
    assert call.kind == Span.SPAN_KIND_CLIENT
    assert call.parent_span_id == above.span_id
    assert call.status.code == Status.STATUS_CODE_UNSET
    for span, why in ((refused, "404"), (broken, "ConnectionError")):
        assert span.status.code == Status.STATUS_CODE_ERROR
        assert _values(span.attributes) == {"server.address": "stock.example", "error.type": why}


def test_a_call_of_a_request_that_is_not_recorded_has_no_span(
    app: Flask, client: FlaskClient, collector: Collector
) -> None:
    client.get("/calls/404", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    _flush(app)

    assert collector.spans() == []


def test_a_call_outside_of_any_request_has_no_span() -> None:
    with tracing.client_span("anything", {}) as span:
        assert not span.is_recording()


def test_probes_are_not_traced(app: Flask, client: FlaskClient, collector: Collector) -> None:
    client.get("/health/live")
    client.get("/health/ready")
    _flush(app)

    assert collector.spans() == []


def test_one_request_leaves_nothing_to_the_next(app: Flask, client: FlaskClient) -> None:
    client.get("/api/docs")

    assert not get_current_span().get_span_context().is_valid
    _flush(app)


def test_a_collector_that_is_down_changes_no_response(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "EXPORT_SECONDS", 0.1)
    app = make_app(otel_exporter_otlp_endpoint="http://127.0.0.1:1")

    assert app.test_client().get("/api/docs").status_code == 200
    _flush(app)


def test_sampling_follows_the_settings_and_the_client() -> None:
    for sampler, ratio, parent, recorded in (
        ("always_on", 0, "00", True),
        ("always_off", 1, "01", False),
        ("traceidratio", 0, "01", False),
        ("parentbased_always_on", 1, "00", False),
        ("parentbased_always_off", 0, "01", True),
        ("parentbased_traceidratio", 0, "01", True),
    ):
        settings = Settings.model_validate(
            {
                "app_env": "testing",
                "otel_traces_sampler": sampler,
                "otel_traces_sampler_arg": ratio,
            }
        )
        principal = tracing.PROPAGATOR.extract({"traceparent": f"00-{TRACE}-{PARENT}-{parent}"})

        span = tracing.start(settings).get_tracer("test").start_span("any", context=principal)

        assert span.is_recording() is recorded, sampler


def test_nothing_starts_before_the_first_request_nor_when_switched_off(
    app: Flask, client: FlaskClient, make_app: MakeApp
) -> None:
    exporter = "OtelBatchSpanRecordProcessor"
    assert not any(exporter in thread.name for thread in threading.enumerate())
    _flush(app)

    make_app(otel_sdk_disabled=True).test_client().get("/api/docs")
    assert not any(exporter in thread.name for thread in threading.enumerate())

    client.get("/api/docs")
    assert any(exporter in thread.name for thread in threading.enumerate())
    own = tracing.request_tracing.of(app)
    assert own.provider() is own.provider()
    _flush(app)


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    for url in ("collector:4318", "grpc://collector:4317", "http://", "http://collector?key=x"):
        with pytest.raises(ValidationError, match="must be an http:// or https:// URL"):
            Settings.model_validate({"app_env": "testing", "otel_exporter_otlp_endpoint": url})


@pytest.mark.process
def test_workers_send_what_is_left_when_the_service_is_stopped(
    collector: Collector, tmp_path: Path
) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "WEB_CONCURRENCY": "2"}
    with gunicorn(tmp_path, **environment) as server:
        for _ in range(5):
            server.get("/api/docs", traceparent=f"00-{TRACE}-{PARENT}-01")
        assert collector.spans() == [], "sent at once: nothing is left to be lost"

    assert server.process.returncode == 0
    assert len(collector.spans()) == 5
    assert {span.trace_id.hex() for span in collector.spans()} == {TRACE}
