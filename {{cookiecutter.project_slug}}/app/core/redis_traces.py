"""A span for each command that a traced request sends to Redis.

https://opentelemetry.io/docs/specs/semconv/database/redis/
"""

from typing import TYPE_CHECKING, Any

from app.core import tracing

if TYPE_CHECKING:
    from redis import Redis


def observe(client: "Redis") -> None:
    """Trace what a client sends: its commands by name, never with their keys and values."""
    where = client.connection_pool.connection_kwargs
    attributes = {
        "db.system.name": "redis",
        "db.namespace": str(where.get("db", 0)),
        "server.address": str(where.get("host", where.get("path", ""))),
    }
    execute = client.execute_command

    def traced(command: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401  as redis has it
        with tracing.calling(command, {**attributes, "db.operation.name": command}):
            return execute(command, *args, **options)  # type: ignore[no-untyped-call]  # it is

    client.execute_command = traced  # type: ignore[method-assign]  # scripts use it
