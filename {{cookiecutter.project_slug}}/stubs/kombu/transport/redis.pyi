from typing import Any

class QoS:
    channel: Any
    unacked_key: str
    def ack(self, delivery_tag: str) -> None: ...
    def restore_by_tag(self, tag: str, client: object = ..., leftmost: bool = ...) -> None: ...

class Channel:
    Message: type
    QoS: type

class Transport:
    Channel: type
    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]
    def on_readable(self, fileno: int) -> None: ...
