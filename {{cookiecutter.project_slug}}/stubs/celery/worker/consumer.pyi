from collections.abc import Callable

from celery import Celery
from kombu.message import Message

class _Entry:
    def cancel(self) -> None: ...

class _Timer:
    def call_repeatedly(
        self, seconds: float, run: Callable[..., object], arguments: tuple[object, ...]
    ) -> _Entry: ...

class _QoS:
    def can_consume(self) -> bool: ...

class _Channel:
    qos: _QoS

class _TaskConsumer:
    channel: _Channel

class Consumer:
    app: Celery
    channel_errors: tuple[type[Exception], ...]
    connection_errors: tuple[type[Exception], ...]
    task_consumer: _TaskConsumer
    timer: _Timer
    def create_task_handler(
        self, *args: object, **options: object
    ) -> Callable[[Message], object]: ...
    def on_unknown_message(self, body: object, message: Message) -> None: ...
    def on_unknown_task(self, body: object, message: Message, exc: Exception) -> None: ...
    def on_invalid_task(self, body: object, message: Message, exc: Exception) -> None: ...
    def on_decode_error(self, message: Message, exc: Exception) -> None: ...
