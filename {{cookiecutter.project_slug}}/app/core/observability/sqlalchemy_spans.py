"""Client spans for the queries of a traced request, by OpenTelemetry's database conventions.

https://opentelemetry.io/docs/specs/semconv/database/database-spans/
"""

from flask import Flask
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from sqlalchemy import Connection, Engine, ExceptionContext, event

from app.core import database, telemetry
from app.core.observability.tracing import Tracing, request_tracing

STATE = "query_span"


def init_app(app: Flask) -> None:
    """Trace the application's engine, unless tracing is disabled."""
    if own := request_tracing.get(app):
        with app.app_context():
            observe(database.db.engine, own)


def observe(engine: Engine, tracing: Tracing) -> None:
    """Create a child span for each query of a request, if the request's span is recorded.

    The query text has placeholders for its values, so no value leaves the process.
    """

    def started(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not trace.get_current_span().is_recording():
            return
        operation = statement.split(maxsplit=1)[0].upper()
        span = tracing.tracer().start_span(operation, kind=SpanKind.CLIENT)
        span.set_attributes(
            {
                "db.system.name": engine.dialect.name,
                "db.operation.name": operation,
                telemetry.DB_QUERY_TEXT: statement,
            }
        )
        connection.info[STATE] = span

    def ended(connection: Connection, *_: object) -> None:
        if span := connection.info.pop(STATE, None):
            span.end()

    def failed(problem: ExceptionContext) -> None:
        span = problem.connection.info.pop(STATE, None) if problem.connection else None
        if span:
            span.set_attribute(telemetry.ERROR_TYPE, type(problem.original_exception).__name__)
            span.set_status(Status(StatusCode.ERROR))
            span.end()

    event.listen(engine, "before_cursor_execute", started)
    event.listen(engine, "after_cursor_execute", ended)
    event.listen(engine, "handle_error", failed)
