class Channel:
    Message: type

class Transport:
    Channel: type
    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]
    def on_readable(self, fileno: int) -> None: ...
