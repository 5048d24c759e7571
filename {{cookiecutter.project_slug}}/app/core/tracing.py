"""OpenTelemetry traces: one server span a request, one a call it makes, sent over OTLP/HTTP.

The spans are made by hand after the semantic conventions: the request pipeline already knows what
the Flask instrumentation would find out again, and the SQLAlchemy one refuses SQLAlchemy 2.1.
"""

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import urlsplit
from uuid import uuid4

from flask import Flask
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.re import parse_env_headers
from pydantic import Field, SecretStr, field_validator

from app.core import pipeline
from app.core.config import CoreSettings
from app.core.pipeline import Exchange

EXPORT_SECONDS = 5  # the longest that one export, or the flush at the end, may take
STATE = "app.span"
OF_REQUEST = context.create_key("app.tracing")
PROPAGATOR = TraceContextTextMapPropagator()
SERVER_ERROR = 500


class TracingSettings(CoreSettings):
    """What tracing can be told: the variables are OpenTelemetry's own."""

    otel_exporter_otlp_endpoint: str | None = None
    """The collector's base URL, such as http://collector:4318; unset: nothing is sent."""
    otel_exporter_otlp_headers: SecretStr = SecretStr("")
    otel_traces_sampler: Literal[
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ] = "parentbased_traceidratio"
    otel_traces_sampler_arg: float = Field(default=1.0, ge=0, le=1)
    otel_sdk_disabled: bool = False

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"http", "https"}:
            message = "must be an http:// or https:// URL"
            raise ValueError(message)
        return value


@dataclass(slots=True)
class Tracing:
    """Observes requests; spans of many applications in one process stay apart."""

    settings: TracingSettings
    _provider: TracerProvider | None = None
    _tracer: Tracer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def provider(self) -> TracerProvider:
        """Return the application's provider, started on first use.

        The exporter has a thread, and threads do not survive a fork: so it starts in the worker
        that serves, never in the process that forks workers.
        """
        with self._lock:
            if self._provider is None:
                self._provider = start(self.settings)
            return self._provider

    def tracer(self) -> Tracer:
        """Return the tracer that makes this application's spans."""
        tracer = self._tracer
        if tracer is None:  # asking for it costs more than a span
            tracer = self._tracer = self.provider().get_tracer(__name__)
        return tracer

    def began(self, exchange: Exchange) -> None:
        """Start the span, as a child of the caller's if it sent one."""
        method = "HTTP" if exchange.method == "_OTHER" else exchange.method
        span = self.tracer().start_span(
            f"{method} {exchange.route}" if exchange.route else method,
            context=_callers_context(exchange),
            kind=SpanKind.SERVER,
            start_time=exchange.started_ns,
        )
        if span.is_recording():
            span.set_attributes(_request_attributes(exchange))
        ids = span.get_span_context()
        exchange.log_fields["trace_id"] = trace.format_trace_id(ids.trace_id)
        exchange.log_fields["span_id"] = trace.format_span_id(ids.span_id)
        around = context.set_value(OF_REQUEST, self, trace.set_span_in_context(span))
        exchange.environ[STATE] = span, context.attach(around)

    def finished(self, exchange: Exchange) -> None:
        """End the span with how the request ended."""
        span, token = exchange.environ[STATE]
        context.detach(token)
        if span.is_recording():
            span.set_attribute("http.response.status_code", exchange.status)
            if exchange.error is not None:
                span.record_exception(exchange.error)
            # Semantic conventions: for a server, a 4xx is the client's error, not the span's.
            if exchange.status >= SERVER_ERROR:
                failed(span, exchange.error or exchange.status)
        span.end()

    def shut_down(self) -> None:
        """Send what is left and stop; a further request would start anew."""
        with self._lock:
            if self._provider is not None:
                self._provider.shutdown()
            self._provider = self._tracer = None


# {% if cookiecutter.metrics %}
def span_of(exchange: Exchange) -> Span:
    """Return the span of a request that has begun."""
    return cast("Span", exchange.environ[STATE][0])


# {% endif %}
def failed(span: Span, why: BaseException | int) -> None:
    """Mark a span as an error, by the exception or the status that says so."""
    span.set_attribute("error.type", str(why) if isinstance(why, int) else type(why).__name__)
    span.set_status(Status(StatusCode.ERROR))


@contextmanager
def calling(name: str, attributes: Mapping[str, str | int]) -> Iterator[Span]:
    """Make a call to another service a span below the current one; an exception marks it.

    Where nothing is recorded there is no such span, and this costs next to nothing.
    """
    current = trace.get_current_span()
    tracing = cast("Tracing | None", context.get_value(OF_REQUEST))
    if tracing is None or not current.is_recording():
        yield current
        return
    with tracing.tracer().start_as_current_span(
        name,
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as error:
            failed(span, error)
            raise


def start(settings: TracingSettings) -> TracerProvider:
    """Start a provider that belongs to one application; it is not OpenTelemetry's global one."""
    started = TracerProvider(sampler=_sampler(settings), resource=_resource(settings))
    if settings.otel_exporter_otlp_endpoint:
        exporter = OTLPSpanExporter(
            endpoint=f"{settings.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces",
            headers=parse_env_headers(
                settings.otel_exporter_otlp_headers.get_secret_value(), liberal=True
            ),
            timeout=EXPORT_SECONDS,
        )
        started.add_span_processor(BatchSpanProcessor(exporter))
    return started


def _resource(settings: TracingSettings) -> Resource:
    """Return who sends: OTEL_RESOURCE_ATTRIBUTES may name the instance otherwise.

    https://opentelemetry.io/docs/specs/semconv/resource/: an instance is one process here.
    """
    process: dict[str, str | int] = {
        "service.instance.id": str(uuid4()),
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    return Resource(process).merge(
        Resource.create(
            {
                "service.name": settings.service_name,
                "service.version": settings.service_version,
                "deployment.environment.name": settings.app_env.value,
            }
        )
    )


def _sampler(settings: TracingSettings) -> sampling.Sampler:
    name = settings.otel_traces_sampler
    root: sampling.Sampler = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": sampling.TraceIdRatioBased(settings.otel_traces_sampler_arg),
    }[name.removeprefix("parentbased_")]
    return sampling.ParentBased(root) if name.startswith("parentbased_") else root


def _callers_context(exchange: Exchange) -> Context:
    environ = exchange.environ
    if "HTTP_TRACEPARENT" not in environ:
        return Context()
    carrier = {
        "traceparent": environ["HTTP_TRACEPARENT"],
        "tracestate": environ.get("HTTP_TRACESTATE", ""),
    }
    return PROPAGATOR.extract(carrier, Context())


def _request_attributes(exchange: Exchange) -> dict[str, str | int]:
    """Return the attributes of https://opentelemetry.io/docs/specs/semconv/http/http-spans/.

    The query string stays out: it may hold what the logs mask.
    """
    environ = exchange.environ
    host, port = _host(environ.get("HTTP_HOST", ""))
    found: dict[str, str | int | None] = {
        "http.request.method": exchange.method,
        "http.route": exchange.route,
        "url.path": environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
        "url.scheme": environ.get("wsgi.url_scheme"),
        "server.address": host,
        "server.port": port,
        "client.address": environ.get("REMOTE_ADDR"),
        "user_agent.original": environ.get("HTTP_USER_AGENT"),
    }
    return {name: value for name, value in found.items() if value}


def _host(named: str) -> tuple[str | None, int | None]:
    """Split a Host header; clients write what they like into it."""
    with suppress(ValueError):
        parts = urlsplit(f"//{named}")
        return parts.hostname, parts.port
    return None, None


def outgoing_headers() -> dict[str, str]:
    """Return the W3C trace context to send with a request to another service."""
    headers: dict[str, str] = {}
    PROPAGATOR.inject(headers)
    return headers


def init_app(app: Flask, settings: TracingSettings) -> None:
    """Trace every request but the health probes, unless OTEL_SDK_DISABLED says no."""
    if settings.otel_sdk_disabled:
        return
    tracing = Tracing(settings)
    app.extensions["tracing"] = tracing
    pipeline.of(app).observers.append(tracing)
