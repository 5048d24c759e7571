"""Spans for tasks, after OpenTelemetry's conventions for messaging: one trace from web to worker.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flask import Flask
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from app.core import telemetry
from app.core.observability.tracing import PROPAGATOR, Tracing, outgoing_headers
from app.core.pipeline import RequestInfo
from app.core.tasks import runner
from app.core.tasks.runner import Message


class TaskTraces:
    """Follows messages by the trace context in their headers."""

    def __init__(self, tracing: Tracing, destination: str, system: str) -> None:
        """Take who makes spans, and what the queue and its broker are called."""
        self._tracing = tracing
        self._destination = destination
        self._system = system

    def headers(self) -> Mapping[str, str]:
        """Return the trace that a message is made in."""
        return outgoing_headers()

    @contextmanager
    def publishing(self, message: Message) -> Iterator[Mapping[str, str]]:
        """Make a span of the sending, in the trace of the request, even long after it."""
        with self._span(message, SpanKind.PRODUCER, "send"):
            yield outgoing_headers()

    @contextmanager
    def running(self, message: Message, info: RequestInfo) -> Iterator[None]:
        """Make a span of the run, below that of the sending."""
        with self._span(message, SpanKind.CONSUMER, "process") as span:
            ids = span.get_span_context()
            info.log_fields["trace_id"] = trace.format_trace_id(ids.trace_id)
            info.log_fields["span_id"] = trace.format_span_id(ids.span_id)
            yield
            if info.error:
                span.set_attribute(telemetry.ERROR_TYPE, type(info.error).__name__)
                span.set_status(Status(StatusCode.ERROR))

    @contextmanager
    def _span(self, message: Message, kind: SpanKind, operation: str) -> Iterator[trace.Span]:
        attributes = {
            "messaging.system": self._system,
            "messaging.destination.name": self._destination,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            runner.MESSAGE_ID: message.id,
            runner.TASK_NAME: message.task,
        }
        with self._tracing.tracer().start_as_current_span(
            f"{operation} {self._destination}",
            context=PROPAGATOR.extract(message.headers, Context()),
            kind=kind,
            attributes=attributes,
        ) as span:
            yield span


def init_app(app: Flask) -> None:
    """Trace the application's tasks, unless tracing is switched off."""
    tracing: Tracing | None = app.extensions.get("tracing")
    if tracing:
        own = runner.of(app)
        own.observers.append(TaskTraces(tracing, own.queue, own.system))
        own.at_exit.append(tracing.shut_down)
