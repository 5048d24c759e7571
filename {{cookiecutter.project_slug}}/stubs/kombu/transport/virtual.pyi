from collections.abc import Mapping
from typing import Any

class Message:
    delivery_info: Mapping[str, object]
    delivery_tag: str
    def __init__(
        self, payload: Mapping[str, Any], channel: object = ..., **options: object
    ) -> None: ...
