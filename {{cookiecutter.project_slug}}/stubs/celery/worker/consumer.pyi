from collections.abc import Callable

from celery import Celery

class _Entry:
    def cancel(self) -> None: ...

class _Timer:
    def call_repeatedly(
        self, seconds: float, run: Callable[..., object], arguments: tuple[object, ...]
    ) -> _Entry: ...

class Consumer:
    app: Celery
    timer: _Timer
