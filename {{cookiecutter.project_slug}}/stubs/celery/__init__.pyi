# The part of Celery that this service uses; the package ships no type hints.
from collections.abc import Callable, Mapping, Sequence

from celery import bootsteps as bootsteps
from celery import signals as signals
from celery.app.amqp import AMQP
from celery.app.task import Task
from kombu import Connection, Producer, Queue

class _Settings:
    broker_connection_timeout: float
    broker_transport_options: Mapping[str, object]
    beat_schedule: dict[str, dict[str, object]]
    task_queues: list[Queue]
    def update(self, values: Mapping[str, object]) -> None: ...

class Celery:
    amqp: AMQP
    conf: _Settings
    steps: dict[str, set[type[bootsteps.StartStopStep]]]
    tasks: dict[str, Task]
    def __init__(
        self,
        main: str,
        *,
        amqp: type[AMQP] = ...,
        broker: str = ...,
        set_as_current: bool = ...,
        fixups: Sequence[str] = ...,
    ) -> None: ...
    def connection(self) -> Connection: ...
    def connection_for_write(
        self, *, transport_options: Mapping[str, object] = ...
    ) -> Connection: ...
    def send_task(
        self,
        name: str,
        *,
        args: Sequence[object],
        task_id: str,
        headers: Mapping[str, object],
        producer: Producer,
        retry: bool,
        confirm_timeout: float,
        argsrepr: str,
        kwargsrepr: str,
        declare: Sequence[Queue],
    ) -> object: ...
    def task(
        self,
        run: Callable[..., object],
        *,
        name: str,
        bind: bool = ...,
        max_retries: int | None = ...,
    ) -> Task: ...
