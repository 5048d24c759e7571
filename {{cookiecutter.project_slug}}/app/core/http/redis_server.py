"""The Redis server that processes share: its connections, and a circuit breaker."""

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

REDIS_TIMEOUT_SECONDS = 0.25  # how long a request waits for a connection, and for a reply
PAUSE_SECONDS = 5.0  # how long Redis is not used after a failure


class RedisSettings(CoreSettings):
    """Redis."""

    redis_url: SecretURL | None = Field(
        default=None, validate_default=True, examples=["redis://localhost:6379/0"]
    )
    """The URL of the Redis server that all processes share: redis://, or rediss:// for TLS with
    verification; unset: each process keeps its own state."""
    redis_ca_file: CAFile = None
    """A file of the certificate authorities for the Redis server, in PEM; unset: those of the
    system."""

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
        """Return the warnings, with one if the server's certificate or name is not verified."""
        found = super().warnings()
        if self.redis_url and not server_url.read(self.redis_url).verified:
            found.append("REDIS_URL disables verification of the server's certificate.")
        return found


class CircuitBreaker:
    """After a failure, which is logged once, no request uses Redis for PAUSE_SECONDS.

    `fallback` states in the log what the service does in that time.
    """

    def __init__(self, fallback: str, pool: "ConnectionPool | None" = None) -> None:
        self.failures = 0
        self._pool = pool
        self._fallback = fallback
        self._lock = Lock()
        self._retry_at = 0.0

    def allows_request(self) -> bool:
        """Return whether a request may use Redis now."""
        return time.monotonic() >= self._retry_at

    def record_failure(self, error: Exception) -> None:
        """Pause the use of Redis; of requests that fail together, only the first logs it.

        Idle connections are closed: since a failover they may lead to a replica, which keeps them
        open and refuses every write (READONLY).
        """
        if self._pool:
            self._pool.disconnect(inuse_connections=False)
        with self._lock:
            self.failures += 1
            known = not self.allows_request()
            self._retry_at = time.monotonic() + PAUSE_SECONDS
        if not known:
            logger.warning(
                "Redis unavailable",
                extra={
                    telemetry.ERROR_TYPE: type(error).__name__,
                    telemetry.FALLBACK: self._fallback,
                    telemetry.RETRY_SECONDS: PAUSE_SECONDS,
                },
            )


def pool(url: SecretURL, ca_file: Path | None = None) -> "ConnectionPool":
    """Return a connection pool for all threads; the first request opens the first connection.

    Raises:
        InvalidSettings: when redis-py rejects a parameter of the URL.

    """
    # Imported here because it is slow to load, and not every process uses it.
    from redis import ConnectionPool, RedisError  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    server = server_url.read(url, ca_file)
    try:
        found = ConnectionPool.from_url(
            server.url,
            **server.tls,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            # No retries: a request falls back at once instead of waiting for a second attempt.
            retry=Retry(NoBackoff(), 0),
        )
        # Create a connection object to check the parameters; it does not connect.
        found.connection_class(**found.connection_kwargs)
    except (RedisError, TypeError, ValueError):
        problem = "has a parameter that redis-py does not know, or whose value does not fit"
        raise InvalidSettings({"REDIS_URL": problem}) from None
    return found
