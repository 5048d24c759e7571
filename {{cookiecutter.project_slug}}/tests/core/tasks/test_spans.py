from collections.abc import Iterator

import marshmallow as ma
import pytest
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from app.core.observability.tracing import request_tracing
from app.core.schemas import Schema
from app.core.tasks import Message, Task, tasks
from app.core.tasks.spans import TaskSpans
from conftest import LogLines, MakeApp


class NoteSchema(Schema):
    text = ma.fields.String(required=True)


def act(values: dict[str, str]) -> None:
    if values["text"] == "broken":
        raise RuntimeError


NOTE = Task("note", NoteSchema(), act)


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    own = tasks.of(app)
    own.message_store = None
    own.add(NOTE)

    @app.post("/note/<text>")
    def note(text: str) -> str:
        own.publish(own.create_message(NOTE, {"text": text}))
        return ""

    return app


@pytest.fixture
def published(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Return the messages sent to the broker."""
    found: list[Message] = []
    monkeypatch.setattr(tasks.of(app), "publisher", found.append)
    return found


@pytest.fixture
def spans(app: Flask) -> Iterator[InMemorySpanExporter]:
    """Return the finished spans of `app`, as the SDK hands them to an exporter."""
    exporter = InMemorySpanExporter()
    provider = request_tracing.of(app).provider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    request_tracing.of(app).shut_down()


def by_kind(spans: InMemorySpanExporter) -> dict[SpanKind, ReadableSpan]:
    return {span.kind: span for span in spans.get_finished_spans()}


def test_request_sending_and_run_are_one_trace(
    app: Flask, spans: InMemorySpanExporter, published: list[Message], log_lines: LogLines
) -> None:
    app.test_client().post("/note/x")
    (message,) = published
    tasks.of(app).process(message)

    found = by_kind(spans)
    request, sending, run = (
        found[kind] for kind in (SpanKind.SERVER, SpanKind.PRODUCER, SpanKind.CONSUMER)
    )
    assert request.context
    assert sending.context
    assert sending.parent
    assert run.parent
    assert run.context
    assert sending.parent.span_id == request.context.span_id
    assert run.parent.span_id == sending.context.span_id
    assert {request.context.trace_id, sending.context.trace_id} == {run.context.trace_id}
    assert (sending.name, run.name) == (
        "send {{cookiecutter.project_slug}}.tasks",
        "process {{cookiecutter.project_slug}}.tasks",
    )
    assert run.attributes
    assert run.attributes["messaging.message.id"] == message.id
    assert run.attributes["messaging.operation.type"] == "process"
    assert run.attributes["task.name"] == "note"
    done = next(line for line in log_lines if line["message"] == "task done")
    access = next(line for line in log_lines if line["logger"] == "app.access")
    assert done["trace_id"] == access["trace_id"] == format(run.context.trace_id, "032x")
    assert done["request_id"] == access["request_id"]


def test_a_message_sent_long_after_its_request_is_still_in_its_trace(
    app: Flask, spans: InMemorySpanExporter, published: list[Message]
) -> None:
    app.test_client().post("/note/x")
    (message,) = published
    spans.clear()

    tasks.of(app).publish(message)

    (sending,) = spans.get_finished_spans()
    assert sending.context
    assert format(sending.context.trace_id, "032x") in message.headers["traceparent"]


def test_a_task_that_fails_marks_its_span(
    app: Flask, spans: InMemorySpanExporter, published: list[Message]
) -> None:
    app.test_client().post("/note/broken")
    tasks.of(app).process(published[0])

    run = by_kind(spans)[SpanKind.CONSUMER]
    assert run.status.status_code is StatusCode.ERROR
    assert run.attributes
    assert run.attributes["error.type"] == "RuntimeError"


def test_tasks_are_not_traced_when_tracing_is_switched_off(make_app: MakeApp) -> None:
    def following(app: Flask) -> list[object]:
        return [each for each in tasks.of(app).observers if isinstance(each, TaskSpans)]

    assert len(following(make_app())) == 1
    assert following(make_app(otel_sdk_disabled=True)) == []
