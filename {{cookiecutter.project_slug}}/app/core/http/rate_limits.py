"""Rate limits per client, counted in Redis or, without Redis, in this process.

Fixed windows are aligned with the clock (each full minute for "300/minute"), so a single increment
gives the requests used and the time of the reset: one round trip per limit. The drawback is that a
client may use up two windows around a boundary.
"""

import time
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import Annotated

from flask import Flask
from limits import RateLimitItem, parse, parse_many
from limits.storage import RedisStorage
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from app.core import (  # one line where it fits
    client_address,
    # {% if cookiecutter.tracing %}
    observability,
    # {% endif %}
    pipeline,
)
from app.core.config import InvalidSettings
from app.core.config.secret_url import SecretURL
from app.core.errors import TooManyRequests
from app.core.http import redis_server
from app.core.http.redis_server import CircuitBreaker, RedisSettings
from app.core.pipeline import RequestInfo

SWEEP_SECONDS = 60.0  # how often counts of past windows are deleted


def _limit(value: str) -> str:
    try:
        (_,) = parse_many(value)
    except ValueError:
        message = 'is not a limit such as "300/minute" or "10 per 5 seconds"'
        raise ValueError(message) from None
    return value


def _by_route(value: object) -> object:
    if isinstance(value, str):
        pairs = [part.rpartition("=") for part in value.split(",") if part.strip()]
        limits = {route.strip(): limit.strip() for route, _, limit in pairs}
        if len(limits) < len(pairs):
            message = "names a route twice"
            raise ValueError(message)
        return limits
    return value


Limit = Annotated[str, AfterValidator(_limit)]
Routes = Annotated[dict[str, Limit], NoDecode, BeforeValidator(_by_route)]


class RateLimitSettings(RedisSettings):
    """Rate limits."""

    rate_limit: Limit = "300/minute"
    """The limit of each client over all routes."""
    rate_limit_routes: Routes = Field(default_factory=dict)
    """The limits of each client on single routes, such as `POST /api/v1/notes=60/minute`,
    separated by commas."""

    def warnings(self) -> list[str]:
        """Return the warnings, with one if processes in production do not share their counts."""
        found = super().warnings()
        if self.in_production and self.redis_url is None:
            found.append("REDIS_URL is not set: each process counts requests separately.")
        return found


class LocalCounters:
    """Counts in this process; their number is limited by the clients in the longest window.

    The memory storage of `limits` would do, but it starts a thread every few requests.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, tuple[int, float]] = {}
        self._sweep_at = 0.0

    def incr(self, key: str, seconds: int) -> int:
        """Increment a count and return it; it expires after these seconds."""
        now = time.monotonic()
        with self._lock:
            if now >= self._sweep_at:
                self._sweep_at = now + SWEEP_SECONDS
                self._counts = {name: each for name, each in self._counts.items() if each[1] > now}
            count, until = self._counts.get(key, (0, now + seconds))
            self._counts[key] = count + 1, until
            return count + 1


class Counters:
    """Counts in Redis; while Redis is unavailable or not configured, in this process.

    It connects at the first request.
    """

    def __init__(self, redis_url: SecretURL | None, ca_file: Path | None = None) -> None:
        self._local = LocalCounters()
        self._shared = _redis(redis_url, ca_file) if redis_url else None
        if self._shared:
            self._add = self._shared.incr
            # {% if cookiecutter.tracing %}
            self._add = observability.redis_spans.traced(self._shared.storage, "EVALSHA", self._add)
            # {% endif %}
        self._circuit_breaker = CircuitBreaker(
            "this process counts rate limits for itself",
            self._shared.storage.connection_pool if self._shared else None,
        )

    def hit(self, key: str, seconds: int) -> int:
        """Count one request, and return the number of requests in this window."""
        if self._shared and self._circuit_breaker.allows_request():
            try:
                return self._add(key, seconds)
            except self._shared.base_exceptions as error:
                self._circuit_breaker.record_failure(error)
        return self._local.incr(key, seconds)


def _redis(url: SecretURL, ca_file: Path | None) -> RedisStorage:
    pool = redis_server.pool(url, ca_file)
    return RedisStorage(url.get_secret_value(), connection_pool=pool, key_prefix="rate-limits")


class Guard:
    """Refuses the requests of a client that has exceeded a limit."""

    def __init__(self, settings: RateLimitSettings) -> None:
        self._counters = Counters(settings.redis_url, settings.redis_ca_file)
        self._overall = parse(settings.rate_limit)
        self._routes = {route: parse(limit) for route, limit in settings.rate_limit_routes.items()}

    def __call__(self) -> None:
        """Count this request (a before_request function).

        Raises:
            TooManyRequests: with Retry-After, when a limit is exceeded.

        """
        info = pipeline.current()
        if info.quiet:
            return
        now = time.time()
        client = client_address.network_of(info.environ["REMOTE_ADDR"])
        counted = [self._count(name, limit, client, now) for name, limit in self._limits(info)]
        # Of several exceeded limits, the last to reset: an earlier retry would be refused.
        used_up = [each for each in counted if each[0] < 0]
        remaining, reset, amount, seconds = (
            max(used_up, key=itemgetter(1)) if used_up else min(counted)
        )
        # The header names of draft-ietf-httpapi-ratelimit-headers-06, which clients know.
        info.response_headers += [
            ("RateLimit-Limit", str(amount)),
            ("RateLimit-Remaining", str(max(remaining, 0))),
            ("RateLimit-Reset", str(reset)),
            ("RateLimit-Policy", f"{amount};w={seconds}"),
        ]
        if remaining < 0:
            raise TooManyRequests(headers={"Retry-After": str(reset)})

    def _limits(self, info: RequestInfo) -> Iterator[tuple[str, RateLimitItem]]:
        yield "*", self._overall
        # HEAD does what GET does (RFC 9110, 9.3.2), so it has no limit of its own.
        method = "GET" if info.method == "HEAD" else info.method
        route = f"{method} {info.route}"
        if route in self._routes:
            yield route, self._routes[route]

    def _count(
        self, name: str, limit: RateLimitItem, client: str, now: float
    ) -> tuple[int, int, int, int]:
        """Return the remaining requests (negative: exceeded), seconds to reset, limit, window."""
        seconds = limit.get_expiry()
        window, elapsed = divmod(int(now), seconds)
        used = self._counters.hit(f"{name}/{client}/{window}", seconds)
        return limit.amount - used, seconds - elapsed, limit.amount, seconds


def init_app(app: Flask, settings: RateLimitSettings) -> None:
    """Limit the requests to all routes except the health probes."""
    app.before_request(Guard(settings))


def check(app: Flask, settings: RateLimitSettings) -> None:
    """Check that the limits of single routes are for routes that exist.

    Raises:
        InvalidSettings: when a limit is set for a route that does not exist, or for HEAD, which
            the limit of GET includes.

    """
    routes = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    unknown = sorted(set(settings.rate_limit_routes) - routes)
    if unknown:
        problem = f"names routes that do not exist: {', '.join(unknown)}"
        raise InvalidSettings({"RATE_LIMIT_ROUTES": problem})
