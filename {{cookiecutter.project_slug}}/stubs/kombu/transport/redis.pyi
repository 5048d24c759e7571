class Transport:
    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]
    def on_readable(self, fileno: int) -> None: ...
