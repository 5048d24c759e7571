"""OpenTelemetry traces over OTLP/HTTP: a server span per request, a client span per outgoing call.

The spans are created by hand, by the semantic conventions. The request pipeline already has the
data that the Flask instrumentation would collect again, and the SQLAlchemy instrumentation does not
support SQLAlchemy 2.1.
"""

import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import requests
from flask import Flask
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.re import parse_env_headers
from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from app.core import telemetry
from app.core.config import CoreSettings, otel_environment, tls
from app.core.config.secret_url import SecretURL
from app.core.extension import Extension
from app.core.pipeline import RequestInfo, request_pipeline

EXPORT_SECONDS = 5  # the timeout of one export, and of the flush at shutdown
STATE = "app.span"
TRACING_KEY = context.create_key("app.tracing")
PROPAGATOR = TraceContextTextMapPropagator()
SERVER_ERROR = 500
DEFAULT_SAMPLER = "parentbased_traceidratio"
SAMPLERS = frozenset(
    {
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        DEFAULT_SAMPLER,
    }
)
HEADER = re.compile(r"\s*[\w!#$%&'*+.^`|~-]+\s*=[^,]*", re.ASCII)  # a name of RFC 9110, section 5.1


def _text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


Flag = Annotated[str, BeforeValidator(_text)]


class TracingSettings(CoreSettings):
    """Tracing.

    Operators set them for all services at once. A value that this service does not support is
    ignored with a warning, as the specification of the environment variables says.
    """

    # First, because the others are not validated when it is true.
    otel_sdk_disabled: Flag = "false"
    """Whether tracing is off."""
    otel_service_name: str | None = None
    """The name of the service in traces and log lines; unset: SERVICE_NAME."""
    otel_resource_attributes: str = ""
    """More attributes of this deployment: name=value, separated by commas, percent-encoded."""
    otel_exporter_otlp_endpoint: SecretURL | None = Field(
        default=None, examples=["http://localhost:4318"]
    )
    """The base URL of the OpenTelemetry collector; unset: nothing is sent."""
    otel_exporter_otlp_headers: SecretStr = SecretStr("")
    """Headers for the collector, such as an API key: name=value, separated by commas,
    percent-encoded."""
    otel_exporter_otlp_certificate: Path | None = None
    """A file of the certificate authorities for the collector, in PEM; unset: those of the system.
    """
    otel_traces_sampler: str = DEFAULT_SAMPLER
    """The sampler, by its name in OpenTelemetry."""
    otel_traces_sampler_arg: Annotated[str, BeforeValidator(str)] = "1.0"
    """The share of requests that the samplers with `traceidratio` trace, from 0 to 1."""

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _http_url(cls, value: SecretURL | None, info: ValidationInfo) -> SecretURL | None:
        if value is None or _is_true(info.data.get("otel_sdk_disabled", "")):
            return value
        parts = value.parts("http", "https")
        if not parts or parts.query or parts.fragment:
            message = "must be an http:// or https:// URL with a host, and nothing after its path"
            raise ValueError(message)
        return value

    @field_validator("otel_exporter_otlp_headers")
    @classmethod
    def _pairs(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        headers = value.get_secret_value().strip()
        valid = all(map(HEADER.fullmatch, headers.split(","))) if headers else True
        # The SDK would log a header that it cannot parse, which may hold a key.
        if not valid and not _is_true(info.data.get("otel_sdk_disabled", "")):
            message = "must be name=value, separated by commas, with values percent-encoded"
            raise ValueError(message)
        return value

    @field_validator("otel_exporter_otlp_certificate")
    @classmethod
    def _readable(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if _is_true(info.data.get("otel_sdk_disabled", "")):
            return value
        return tls.certificates(value)

    @property
    def traces(self) -> bool:
        """Whether tracing is enabled."""
        return not _is_true(self.otel_sdk_disabled)

    @property
    def sampler(self) -> str:
        """The name of the sampler; the default if the configured one is unknown."""
        named = self.otel_traces_sampler.strip().lower()
        return named if named in SAMPLERS else DEFAULT_SAMPLER

    @property
    def sampled_share(self) -> float:
        """The ratio for the `traceidratio` samplers, from 0 to 1."""
        share = _number(self.otel_traces_sampler_arg)
        return 1.0 if share is None else share

    @property
    def resource_attributes(self) -> dict[str, str]:
        """The attributes in OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME."""
        pairs = (pair.partition("=") for pair in self.otel_resource_attributes.split(","))
        found = {name.strip(): unquote(value.strip()) for name, given, value in pairs if given}
        if self.otel_service_name:
            found[telemetry.SERVICE_NAME] = self.otel_service_name
        return found

    @property
    def telemetry_name(self) -> str:
        """The name of the service in log lines and traces."""
        return self.resource_attributes.get(telemetry.SERVICE_NAME) or self.service_name

    @property
    def telemetry_version(self) -> str:
        """The version of the service in log lines and traces."""
        return self.resource_attributes.get(telemetry.SERVICE_VERSION) or self.service_version

    def warnings(self) -> list[str]:
        """Warn about values that are ignored."""
        found = super().warnings()
        if not self.traces:
            return found
        found += otel_environment.IGNORED
        if self.otel_sdk_disabled.strip().lower() != "false":
            found.append("OTEL_SDK_DISABLED is neither true nor false: false is used.")
        if self.sampler != self.otel_traces_sampler.strip().lower():
            found.append(f"OTEL_TRACES_SAMPLER is not supported: {DEFAULT_SAMPLER} is used.")
        if _number(self.otel_traces_sampler_arg) is None:
            found.append("OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1: 1 is used.")
        pairs = filter(None, self.otel_resource_attributes.split(","))
        if not all("=" in pair for pair in pairs):
            found.append("OTEL_RESOURCE_ATTRIBUTES: parts that are not name=value are ignored.")
        return found


def _is_true(value: str) -> bool:
    """Parse a boolean as the specification does: only "true" is true, in upper or lower case."""
    return value.strip().lower() == "true"


def _number(value: str) -> float | None:
    with suppress(ValueError):
        if 0 <= (share := float(value)) <= 1:
            return share
    return None


@dataclass(slots=True)
class Tracing:
    """Creates the spans of requests; each application in a process has its own provider."""

    settings: TracingSettings
    _provider: TracerProvider | None = None
    _tracer: Tracer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def provider(self) -> TracerProvider:
        """Return the application's provider, started on first use.

        The exporter has a thread, and threads do not survive a fork. It must start in the worker
        that serves, not in the process that forks workers.
        """
        with self._lock:
            if self._provider is None:
                self._provider = start(self.settings)
            return self._provider

    def tracer(self) -> Tracer:
        """Return the application's tracer."""
        tracer = self._tracer
        if tracer is None:  # cached, because `get_tracer` costs more than a span
            tracer = self._tracer = self.provider().get_tracer(__name__)
        return tracer

    def start(self, info: RequestInfo) -> None:
        """Start the server span, as a child of the client's span if the request names one."""
        method = "HTTP" if info.method == "_OTHER" else info.method
        span = self.tracer().start_span(
            f"{method} {info.route}" if info.route else method,
            context=_parent_context(info),
            kind=SpanKind.SERVER,
            start_time=info.started_ns,
        )
        if span.is_recording():
            span.set_attributes(_request_attributes(info))
        ids = span.get_span_context()
        info.log_fields[telemetry.TRACE_ID] = trace.format_trace_id(ids.trace_id)
        info.log_fields[telemetry.SPAN_ID] = trace.format_span_id(ids.span_id)
        around = context.set_value(TRACING_KEY, self, trace.set_span_in_context(span))
        info.environ[STATE] = span, context.attach(around)

    def finish(self, info: RequestInfo) -> None:
        """End the span with the status and error of the request."""
        span, token = info.environ[STATE]
        context.detach(token)
        if span.is_recording():
            span.set_attribute(telemetry.HTTP_RESPONSE_STATUS_CODE, info.status)
            if info.error is not None:
                span.record_exception(info.error)
            # Semantic conventions: a 4xx does not make a server span an error.
            if info.status >= SERVER_ERROR:
                failed(span, info.error or info.status)
        span.end()

    def shut_down(self) -> None:
        """Export the remaining spans and stop; a later request would start a new provider."""
        with self._lock:
            if self._provider is not None:
                self._provider.shutdown()
            self._provider = self._tracer = None


# {% if cookiecutter.metrics %}
def span_of(info: RequestInfo) -> Span:
    """Return the server span of a request that has begun."""
    return cast("Span", info.environ[STATE][0])


# {% endif %}
def failed(span: Span, why: BaseException | int) -> None:
    """Mark a span as an error; its type is the exception's name or the status."""
    kind = str(why) if isinstance(why, int) else type(why).__name__
    span.set_attribute(telemetry.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR))


@contextmanager
def client_span(name: str, attributes: Mapping[str, str | int]) -> Iterator[Span]:
    """Create a client span for a call to another service; an exception marks it as an error.

    If the current span is not recorded, no span is created, and the cost is negligible.
    """
    current = trace.get_current_span()
    tracing = cast("Tracing | None", context.get_value(TRACING_KEY))
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


class _Session(requests.Session):
    """Prefers the collector's CA certificates to REQUESTS_CA_BUNDLE, which is for other servers."""

    def merge_environment_settings(
        self,
        url: str | bytes | None,
        proxies: MutableMapping[str, str] | None,
        stream: bool | None,  # noqa: FBT001  the signature of requests
        verify: bool | str | None,  # noqa: FBT001
        cert: str | tuple[str, str] | None,
    ) -> Any:  # noqa: ANN401  its type is private
        """Return the settings to send a request with."""
        chosen = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, chosen, cert)


def start(settings: TracingSettings) -> TracerProvider:
    """Start a provider for one application, apart from OpenTelemetry's global provider."""
    started = TracerProvider(sampler=_sampler(settings), resource=_resource(settings))
    if settings.otel_exporter_otlp_endpoint:
        certificate = settings.otel_exporter_otlp_certificate
        endpoint = settings.otel_exporter_otlp_endpoint.get_secret_value()
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces",
            certificate_file=str(certificate) if certificate else None,
            session=_Session(),
            headers=parse_env_headers(
                settings.otel_exporter_otlp_headers.get_secret_value(), liberal=True
            ),
            timeout=EXPORT_SECONDS,
        )
        started.add_span_processor(BatchSpanProcessor(exporter))
    return started


def _resource(settings: TracingSettings) -> Resource:
    """Return the resource; OpenTelemetry's own variables take precedence over our settings.

    A service instance is one process: https://opentelemetry.io/docs/specs/semconv/resource/
    """
    attributes: dict[str, str | int] = {
        telemetry.SERVICE_NAME: settings.service_name,
        telemetry.SERVICE_VERSION: settings.service_version,
        "service.instance.id": str(uuid4()),
        "deployment.environment.name": settings.app_env.value,
        "host.name": socket.gethostname(),
        telemetry.PROCESS_PID: os.getpid(),
    }
    overrides = OTELResourceDetector().detect().merge(Resource(settings.resource_attributes))
    return Resource.create(attributes).merge(overrides)


def _sampler(settings: TracingSettings) -> sampling.Sampler:
    name = settings.sampler
    root: sampling.Sampler = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": sampling.TraceIdRatioBased(settings.sampled_share),
    }[name.removeprefix("parentbased_")]
    return sampling.ParentBased(root) if name.startswith("parentbased_") else root


def _parent_context(info: RequestInfo) -> Context:
    environ = info.environ
    if "HTTP_TRACEPARENT" not in environ:
        return Context()
    carrier = {
        "traceparent": environ["HTTP_TRACEPARENT"],
        "tracestate": environ.get("HTTP_TRACESTATE", ""),
    }
    return PROPAGATOR.extract(carrier, Context())


def _request_attributes(info: RequestInfo) -> dict[str, str | int]:
    """Return the attributes of https://opentelemetry.io/docs/specs/semconv/http/http-spans/.

    The query string is left out: it may hold secrets that the logs mask.
    """
    environ = info.environ
    host, port = _host(environ.get("HTTP_HOST", ""))
    found: dict[str, str | int | None] = {
        telemetry.HTTP_REQUEST_METHOD: info.method,
        telemetry.HTTP_ROUTE: info.route,
        "url.path": environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
        "url.scheme": environ.get("wsgi.url_scheme"),
        telemetry.SERVER_ADDRESS: host,
        telemetry.SERVER_PORT: port,
        telemetry.CLIENT_ADDRESS: environ.get("REMOTE_ADDR"),
        telemetry.USER_AGENT_ORIGINAL: environ.get("HTTP_USER_AGENT"),
    }
    return {name: value for name, value in found.items() if value}


def _host(named: str) -> tuple[str | None, int | None]:
    """Split a Host header, which may hold any text from a client."""
    with suppress(ValueError):
        parts = urlsplit(f"//{named}")
        return parts.hostname, parts.port
    return None, None


def outgoing_headers() -> dict[str, str]:
    """Return the W3C trace context to send with a request to another service."""
    headers: dict[str, str] = {}
    PROPAGATOR.inject(headers)
    return headers


request_tracing = Extension[Tracing]("request_tracing")
"""Only in applications that are traced."""


def init_app(app: Flask, settings: TracingSettings) -> None:
    """Trace all requests except health probes, unless OTEL_SDK_DISABLED is true."""
    if not settings.traces:
        return
    own = request_tracing.set(app, Tracing(settings))
    around = request_pipeline.of(app)
    around.on_start.append(own.start)
    around.on_finish.append(own.finish)
