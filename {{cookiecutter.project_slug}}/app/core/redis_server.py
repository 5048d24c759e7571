"""The Redis server that processes share: how to reach it, and how to do without it for a while."""

import logging
import time
from threading import Lock
from typing import TYPE_CHECKING

from pydantic import Field

from app.core.config import CoreSettings, SecretURL

if TYPE_CHECKING:
    from redis import ConnectionPool

logger = logging.getLogger(__name__)

REDIS_SECONDS = 0.25  # the longest that a request waits for an answer
PAUSE_SECONDS = 5.0  # how long Redis is left alone after it failed


class RedisSettings(CoreSettings):
    """Where processes keep what they share."""

    redis_url: SecretURL | None = Field(default=None, validate_default=True)


class Availability:
    """Whether to ask Redis: not for a while after it failed, which is said once, not per request."""

    def __init__(self, meanwhile: str) -> None:
        """Take what happens while Redis is away, for the log."""
        self.failures = 0
        self._meanwhile = meanwhile
        self._lock = Lock()
        self._retry_at = 0.0

    def is_expected(self) -> bool:
        """Tell whether Redis may be asked now."""
        return time.monotonic() >= self._retry_at

    def failed(self, error: Exception) -> None:
        """Leave Redis alone from now on; requests that were waiting for it fail together."""
        with self._lock:
            self.failures += 1
            known = not self.is_expected()
            self._retry_at = time.monotonic() + PAUSE_SECONDS
        if not known:
            logger.warning(
                "Redis does not answer; %s",
                self._meanwhile,
                extra={"error": type(error).__name__, "retry_seconds": PAUSE_SECONDS},
            )


def pool(url: SecretURL) -> "ConnectionPool":
    """Return connections for threads to share; the first one is opened by the first request."""
    # Imported here because it takes long to load, which only those who use it should pay.
    from redis import ConnectionPool  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    return ConnectionPool.from_url(
        url.get_secret_value(),
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        # A request would rather do without than wait for a second try.
        retry=Retry(NoBackoff(), 0),
    )
