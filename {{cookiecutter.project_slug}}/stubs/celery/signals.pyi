from collections.abc import Callable

class Signal:
    receivers: list[object]
    def connect(self, receiver: Callable[..., object], *, weak: bool = ...) -> None: ...
    def send(self, sender: object, **named: object) -> None: ...

heartbeat_sent: Signal
setup_logging: Signal
task_rejected: Signal
task_unknown: Signal
worker_process_init: Signal
worker_process_shutdown: Signal
worker_ready: Signal
worker_shutting_down: Signal
