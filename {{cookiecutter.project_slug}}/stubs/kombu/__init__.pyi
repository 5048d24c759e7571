# The part of kombu that this service uses; the package ships no type hints.
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

class _Transport:
    driver_type: str

class Connection:
    connection_errors: tuple[type[Exception], ...]
    default_channel: Any
    transport: _Transport
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def collect(self, socket_timeout: float | None = ...) -> None: ...
    def ensure_connection(self, *args: object, **options: object) -> Connection: ...

class Exchange:
    name: str
    def __init__(self, name: str, *, type: str) -> None: ...  # noqa: A002  kombu calls it so

class Queue:
    name: str
    queue_arguments: Mapping[str, object] | None
    def __init__(
        self,
        name: str,
        exchange: Exchange | None = ...,
        *,
        routing_key: str = ...,
        queue_arguments: Mapping[str, object] | None = ...,
    ) -> None: ...
    def declare(self, *, channel: object = ...) -> str: ...

class Producer:
    def __init__(self, channel: Connection, *, auto_declare: bool = ...) -> None: ...
    def publish(
        self,
        body: object,
        *,
        routing_key: str,
        declare: Sequence[Queue] = ...,
        exchange: str = ...,
        headers: Mapping[str, object] = ...,
        content_type: str = ...,
        content_encoding: str = ...,
    ) -> object: ...
