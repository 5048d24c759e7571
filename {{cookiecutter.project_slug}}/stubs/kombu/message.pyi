from collections.abc import Mapping

class Message:
    body: bytes | str
    headers: Mapping[str, object] | None
