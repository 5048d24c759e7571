"""The Redis server that processes share: how to reach it, and how to do without it for a while."""

import logging
import time
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from pydantic import Field, ValidationInfo, field_validator

from app.core import telemetry
from app.core.config import CoreSettings, InvalidSettings, server_url
from app.core.config.secret_url import SecretURL
from app.core.config.tls import CAFile

if TYPE_CHECKING:
    from redis import ConnectionPool

logger = logging.getLogger(__name__)

REDIS_SECONDS = 0.25  # the longest that a request waits for an answer
PAUSE_SECONDS = 5.0  # how long Redis is left alone after it failed


class RedisSettings(CoreSettings):
    """Where processes keep what they share."""

    redis_url: SecretURL | None = Field(default=None, validate_default=True)
    redis_ca_file: CAFile = None

    @field_validator("redis_url")
    @classmethod
    def _a_redis(cls, value: SecretURL | None) -> SecretURL | None:
        if value:
            if not value.parts("redis", "rediss"):
                message = "must be redis://user:password@host:6379/0, or rediss:// for TLS"
                raise ValueError(message)
            server_url.check(value)
        return value

    @field_validator("redis_ca_file")
    @classmethod
    def _for_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return server_url.needs_tls(value, info, "redis_url")

    def warnings(self) -> list[str]:
        """Say that another server could pass for Redis."""
        found = super().warnings()
        if self.redis_url and not server_url.read(self.redis_url).verified:
            found.append("REDIS_URL switches off the check of the server's certificate.")
        return found


class Availability:
    """Whether to ask Redis: not for a while after it failed, which is said once, not per request."""

    def __init__(self, meanwhile: str, pool: "ConnectionPool | None" = None) -> None:
        """Take what happens while Redis is away, for the log, and the connections to it."""
        self.failures = 0
        self._pool = pool
        self._meanwhile = meanwhile
        self._lock = Lock()
        self._retry_at = 0.0

    def if_match_holds(self) -> bool:
        """Tell whether Redis may be asked now."""
        return time.monotonic() >= self._retry_at

    def failed(self, error: Exception) -> None:
        """Leave Redis alone from now on; requests that were waiting for it fail together.

        Connections are then opened anew: since a failover the old ones may lead to a replica, which
        keeps them open and refuses every write (READONLY).
        """
        if self._pool:
            self._pool.disconnect(inuse_connections=False)
        with self._lock:
            self.failures += 1
            known = not self.if_match_holds()
            self._retry_at = time.monotonic() + PAUSE_SECONDS
        if not known:
            logger.warning(
                "Redis unavailable",
                extra={
                    telemetry.ERROR_TYPE: type(error).__name__,
                    "fallback": self._meanwhile,
                    "retry_seconds": PAUSE_SECONDS,
                },
            )


def pool(url: SecretURL, ca_file: Path | None = None) -> "ConnectionPool":
    """Return connections for threads to share; the first one is opened by the first request.

    Raises:
        InvalidSettings: when redis-py does not know a parameter of the URL.

    """
    # Imported here because it takes long to load, which only those who use it should pay.
    from redis import ConnectionPool, RedisError  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    server = server_url.read(url, ca_file)
    try:
        found = ConnectionPool.from_url(
            server.url,
            **server.tls,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            # A request would rather do without than wait for a second try.
            retry=Retry(NoBackoff(), 0),
        )
        # Made as each connection will be; nothing is connected yet.
        found.connection_class(**found.connection_kwargs)
    except (RedisError, TypeError, ValueError):
        problem = "has a parameter that redis-py does not know, or whose value does not fit"
        raise InvalidSettings({"REDIS_URL": problem}) from None
    return found
