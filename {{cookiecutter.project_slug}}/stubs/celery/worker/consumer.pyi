from collections.abc import Callable

from celery import Celery

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
    task_consumer: _TaskConsumer
    timer: _Timer
