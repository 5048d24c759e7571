from collections.abc import Mapping

class Message:
    body: bytes | str
    headers: Mapping[str, object] | None
    def __init__(self, *, body: bytes, headers: Mapping[str, object]) -> None: ...
