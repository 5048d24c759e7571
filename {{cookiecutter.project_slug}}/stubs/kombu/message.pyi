import logging
from collections.abc import Mapping
from typing import Any

class Message:
    body: bytes | str
    headers: Mapping[str, Any] | None
    payload: Any
    acknowledged: bool
    def __init__(self, *, body: bytes, headers: Mapping[str, object]) -> None: ...
    def reject_log_error(
        self, logger: logging.Logger, errors: tuple[type[Exception], ...]
    ) -> None: ...
