"""Spans for tasks, by OpenTelemetry's messaging conventions: one trace from request to worker.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flask import Flask
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from app.core import telemetry
from app.core.observability.tracing import PROPAGATOR, Tracing, outgoing_headers, request_tracing
from app.core.pipeline import RequestInfo
from app.core.tasks.runner import Message, tasks


class TaskSpans:
    """Creates the spans of messages, whose headers carry the trace context."""

    def __init__(self, tracing: Tracing, destination: str, system: str) -> None:
        self._tracing = tracing
        self._destination = destination
        self._system = system

    def headers(self) -> Mapping[str, str]:
        """Return the trace context in which a message is created."""
        return outgoing_headers()

    @contextmanager
    def publishing(self, message: Message) -> Iterator[Mapping[str, str]]:
        """Create a producer span in the trace of the request, which may have ended long ago."""
        with self._span(message, SpanKind.PRODUCER, "send"):
            yield outgoing_headers()

    @contextmanager
    def running(self, message: Message, info: RequestInfo) -> Iterator[None]:
        """Create a consumer span as a child of the producer span."""
        with self._span(message, SpanKind.CONSUMER, "process") as span:
            ids = span.get_span_context()
            info.log_fields[telemetry.TRACE_ID] = trace.format_trace_id(ids.trace_id)
            info.log_fields[telemetry.SPAN_ID] = trace.format_span_id(ids.span_id)
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
            telemetry.MESSAGING_MESSAGE_ID: message.id,
            telemetry.TASK_NAME: message.task,
        }
        with self._tracing.tracer().start_as_current_span(
            f"{operation} {self._destination}",
            context=PROPAGATOR.extract(message.headers, Context()),
            kind=kind,
            attributes=attributes,
        ) as span:
            yield span


def init_app(app: Flask) -> None:
    """Trace the application's tasks, unless tracing is disabled."""
    if traces := request_tracing.get(app):
        own_tasks = tasks.of(app)
        own_tasks.observers.append(TaskSpans(traces, own_tasks.queue_name, own_tasks.system))
        own_tasks.at_exit.append(traces.shut_down)
