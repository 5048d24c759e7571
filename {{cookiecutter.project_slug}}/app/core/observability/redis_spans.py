"""Client spans for the Redis commands of a traced request.

https://opentelemetry.io/docs/specs/semconv/database/redis/
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from app.core import telemetry
from app.core.observability import tracing

if TYPE_CHECKING:
    from redis import Redis

P = ParamSpec("P")
R = TypeVar("R")


def traced(client: "Redis", command: str, call: Callable[P, R]) -> Callable[P, R]:
    """Wrap a Redis command in a span, which shows neither keys nor values."""
    where = client.connection_pool.connection_kwargs
    attributes = {
        "db.system.name": "redis",
        "db.namespace": str(where.get("db", 0)),
        "db.operation.name": command,
        telemetry.SERVER_ADDRESS: str(where.get("host", where.get("path", ""))),
    }

    def traced_call(*args: P.args, **options: P.kwargs) -> R:
        with tracing.client_span(command, attributes):
            return call(*args, **options)

    return traced_call
