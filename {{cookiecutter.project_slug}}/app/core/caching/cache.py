"""A read-through cache of responses: in Redis or, in development without REDIS_URL, in the process.

An outdated response is never stored, and one computation serves all concurrent readers. Both rely
on leases: a reader that finds no entry leaves a lease in its place, reads the database, and stores
the response only if its own lease is still there.

- A change deletes the entry or lease, after its commit. A reader that read the old row before the
  commit finds its lease gone and stores nothing; a later reader reads the new row.
- A reader that finds a lease waits a limited time for the response, and then reads the database
  itself. Leases expire, so a process that dies does not block other readers for long.

While Redis is unavailable, all reads go to the database, and entries cannot be invalidated. So a
process that has seen Redis fail starts a new generation before it reads from Redis again: entries
of earlier generations are never found.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial, wraps
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar, cast

from flask import Flask
from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from app.core import (  # one line where it fits
    # {% if cookiecutter.tracing %}
    observability,
    # {% endif %}
    pipeline,
    telemetry,
)
from app.core.api.conditional_requests import Representation
from app.core.config import PROJECT_SLUG, required_in_production
from app.core.config.secret_url import SecretURL
from app.core.extension import Extension
from app.core.http import redis_server
from app.core.http.redis_server import CircuitBreaker, RedisSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from redis import ConnectionPool

LEASE_SECONDS = 5.0  # the time to compute a response; a later one is not stored
# How long a request waits for another reader's response. A read takes milliseconds, but the other
# process may have been killed: until its lease expires, every reader of this entry waits this long.
WAIT_SECONDS = 0.25
POLL_SECONDS = 0.01
MAX_ENTRIES = 1_000  # in the memory of a process

INVALIDATE = "caching.invalidate"
LEASE = b"?"  # the prefix of leases; no response has it
HIT, MISS, BYPASS = OUTCOMES = ("hit", "miss", "bypass")

P = ParamSpec("P")
R = TypeVar("R")


class CacheSettings(RedisSettings):
    """Cached reads."""

    cache_ttl_seconds: int = Field(default=60, ge=1, le=86_400)
    """The lifetime of a cached response, in seconds."""

    @field_validator("redis_url")
    @classmethod
    def _shared_in_production(
        cls, value: SecretURL | None, info: ValidationInfo
    ) -> SecretURL | None:
        """Require Redis in production: without it no process invalidates another's entries."""
        return cast("SecretURL | None", required_in_production(value, info))


class Store(Protocol):
    """Where entries are stored. Each method is atomic."""

    errors: tuple[type[Exception], ...]
    """The exceptions that are raised when the store is unavailable."""
    pool: "ConnectionPool | None"
    """The connections to the store."""

    def get_or_lease(self, key: str, schema: bytes, lease: bytes) -> tuple[bytes, bytes]:
        """Return the entry's key in the store and its value; store the lease if there is no value.

        A response of another schema counts as no value.
        """

    def fill(self, entry_key: bytes, lease: bytes, entry: bytes, milliseconds: int) -> None:
        """Replace this lease by a response, if it is still there; delete it if that is empty."""

    def invalidate(self, keys: list[str]) -> None:
        """Delete the responses and leases of these keys."""

    def start_generation(self) -> None:
        """Start a new generation, in which no earlier entry is found."""


class InProcessStore:
    """A store in the memory of one process."""

    errors: tuple[type[Exception], ...] = ()
    pool: "ConnectionPool | None" = None

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: dict[bytes, tuple[bytes, float]] = {}

    def get_or_lease(self, key: str, schema: bytes, lease: bytes) -> tuple[bytes, bytes]:
        """Return the key itself and its value; store the lease if there is no value."""
        entry_key, now = key.encode(), time.monotonic()
        with self._lock:
            found, ends = self._entries.get(entry_key, (b"", 0.0))
            if now < ends and found.startswith((LEASE, schema)):
                return entry_key, found
            self._set_entry(entry_key, lease, now + LEASE_SECONDS)
        return entry_key, lease

    def fill(self, entry_key: bytes, lease: bytes, entry: bytes, milliseconds: int) -> None:
        """Replace this lease by a response, if it is still there."""
        with self._lock:
            if self._entries.get(entry_key, (b"", 0.0))[0] == lease:
                self._set_entry(entry_key, entry, time.monotonic() + milliseconds / 1e3)

    def invalidate(self, keys: list[str]) -> None:
        """Delete the responses and leases of these keys."""
        with self._lock:
            for key in keys:
                self._entries.pop(key.encode(), None)

    def start_generation(self) -> None:
        """Delete everything."""
        with self._lock:
            self._entries.clear()

    def _set_entry(self, entry_key: bytes, content: bytes, ends: float) -> None:
        """Store a value as the newest; delete the oldest if there are too many."""
        self._entries.pop(entry_key, None)
        self._entries[entry_key] = content, ends
        if len(self._entries) > MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]


class RedisStore:
    """A store that all processes share; each entry belongs to the generation that stored it.

    It connects at the first request. `prefix` separates its keys from those of others.
    """

    GET_OR_LEASE = """
        local generation = redis.call('GET', KEYS[1])
        if not generation then
            generation = ARGV[2]
            redis.call('SET', KEYS[1], generation)
        end
        -- A write without effect: a replica, which may lack the last changes, refuses it.
        redis.call('PERSIST', KEYS[1])
        local entry_key = KEYS[2] .. generation
        local found = redis.call('GET', entry_key)
        if found and (string.sub(found, 1, 1) == '?'
                or string.sub(found, 1, #ARGV[1]) == ARGV[1]) then
            return {entry_key, found}
        end
        redis.call('SET', entry_key, ARGV[2], 'PX', ARGV[3])
        return {entry_key, ARGV[2]}
    """
    FILL = """
        if redis.call('GET', KEYS[1]) == ARGV[1] then
            if ARGV[2] == '' then
                redis.call('DEL', KEYS[1])
            else
                redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
            end
        end
    """
    INVALIDATE = """
        local generation = redis.call('GET', KEYS[1])
        for number = 2, #KEYS do
            redis.call('DEL', KEYS[number] .. (generation or ''))
        end
    """

    def __init__(
        self, url: SecretURL, prefix: str = f"{PROJECT_SLUG}/cache", ca_file: Path | None = None
    ) -> None:
        # Imported here because it is slow to load, and not every process uses it.
        from redis import Redis, RedisError  # noqa: PLC0415

        self.errors: tuple[type[Exception], ...] = (RedisError,)
        self.pool: ConnectionPool | None = redis_server.pool(url, ca_file)
        self._redis = Redis(connection_pool=self.pool)
        scripts: Iterator[Callable[..., object]]
        scripts = map(self._redis.register_script, (self.GET_OR_LEASE, self.FILL, self.INVALIDATE))
        self._set: Callable[..., object] = self._redis.set
        # {% if cookiecutter.tracing %}
        scripts = (
            observability.redis_spans.traced(self._redis, "EVALSHA", script) for script in scripts
        )
        self._set = observability.redis_spans.traced(self._redis, "SET", self._set)
        # {% endif %}
        self._get_or_lease, self._fill, self._invalidate = scripts
        self._prefix = prefix
        self._generation = f"{prefix}/generation"

    def get_or_lease(self, key: str, schema: bytes, lease: bytes) -> tuple[bytes, bytes]:
        """Return the entry's key in this generation and its value, in one round trip."""
        keys, lasts = [self._generation, self._key_prefix(key)], int(LEASE_SECONDS * 1e3)
        return cast("tuple[bytes, bytes]", self._get_or_lease(keys, [schema, lease, lasts]))

    def fill(self, entry_key: bytes, lease: bytes, entry: bytes, milliseconds: int) -> None:
        """Replace this lease by a response, if it is still there."""
        self._fill([entry_key], [lease, entry, milliseconds])

    def invalidate(self, keys: list[str]) -> None:
        """Delete the responses and leases of these keys in this generation."""
        self._invalidate([self._generation, *map(self._key_prefix, keys)])

    def start_generation(self) -> None:
        """Start a new generation; earlier entries expire unread."""
        self._set(self._generation, secrets.token_hex(8))

    def _key_prefix(self, key: str) -> str:
        """Return the start of a key's name in Redis; the generation follows."""
        return f"{self._prefix}/{key}/"


class Cache:
    """Reads through a store, and without it while it is unavailable.

    `seconds` is how long responses are stored.
    """

    def __init__(self, store: Store, seconds: int) -> None:
        self.observers: list[Callable[[str], None]] = [_log_outcome]
        """Functions that are called with the outcome of each read: one of OUTCOMES."""
        self._store = store
        self._milliseconds = seconds * 1_000
        self._circuit_breaker = CircuitBreaker("reads go to the database", store.pool)
        self._failures_handled = 0
        self._lock = Lock()

    def read(self, key: str, schema: bytes, make: Callable[[], Representation]) -> Representation:
        """Return the response stored under a key with this schema, or compute it.

        It waits at most WAIT_SECONDS for another reader to make it, and REDIS_TIMEOUT_SECONDS for
        each reply of Redis. Exceptions raised by `make` propagate.
        """
        lease = LEASE + secrets.token_bytes(16)
        waits_until = time.monotonic() + WAIT_SECONDS
        while leased := self._try_store(partial(self._store.get_or_lease, key, schema, lease)):
            entry_key, found = leased
            if found == lease:
                self._notify(MISS)
                return self._compute_and_fill(entry_key, lease, schema, make)
            if not found.startswith(LEASE):
                self._notify(HIT)
                _, version, json = found.split(b" ", 2)
                return Representation(int(version), json)
            if time.monotonic() >= waits_until:
                break
            time.sleep(POLL_SECONDS)
        self._notify(BYPASS)
        return make()

    def invalidate(self, keys: list[str]) -> None:
        """Invalidate these keys or, if Redis is unavailable, all keys once it is available again.

        Redis is tried even in the pause after a failure: other processes may be using it again.
        """
        self._try_store(partial(self._store.invalidate, keys), even_in_pause=True)

    def _notify(self, outcome: str) -> None:
        for observer in self.observers:
            observer(outcome)

    def _compute_and_fill(
        self, entry_key: bytes, lease: bytes, schema: bytes, make: Callable[[], Representation]
    ) -> Representation:
        entry = b""
        try:
            made = make()
            entry = b"%b %d %b" % (schema, made.version, made.json)
        finally:
            # Up to a tenth less, so that entries stored together do not expire together.
            spread = secrets.randbelow(self._milliseconds // 10)
            self._try_store(
                partial(self._store.fill, entry_key, lease, entry, self._milliseconds - spread)
            )
        return made

    def _try_store(self, operation: Callable[[], R], *, even_in_pause: bool = False) -> R | None:
        """Run an operation of the store; return None while the store is unavailable."""
        if not (even_in_pause or self._circuit_breaker.allows_request()):
            return None
        try:
            self._new_generation_after_failures()
            return operation()
        except self._store.errors as error:
            self._circuit_breaker.record_failure(error)
            return None

    def _new_generation_after_failures(self) -> None:
        """Start a new generation before the first operation that follows a failure."""
        with self._lock:
            # Read first: an invalidation that fails meanwhile requires another generation.
            if self._failures_handled != (failures := self._circuit_breaker.failures):
                self._store.start_generation()
                self._failures_handled = failures


def _log_outcome(outcome: str) -> None:
    """Add the outcome of a cached read to this request's log lines and spans."""
    if info := pipeline.current_or_none():
        info.log_fields[telemetry.CACHE] = outcome


def schema_digest(*shapes: "type[DataclassInstance]") -> bytes:
    """Return a digest of the fields that a response has: its schema.

    The digest is stored with the response, not in its key: while two releases run side by side,
    each must invalidate the other's entries, and read only its own.
    """
    named = [(each.name, str(each.type)) for shape in shapes for each in fields(shape)]
    return hashlib.sha256(repr(named).encode()).hexdigest()[:12].encode()


def cached(
    key: Callable[P, str], schema: bytes
) -> Callable[[Callable[P, Representation]], Callable[P, Representation]]:
    """Read through the cache, under the key that `key` makes from the arguments.

    A key must include everything that the response depends on, above all its owner.
    """

    def decorate(read: Callable[P, Representation]) -> Callable[P, Representation]:
        @wraps(read)
        def through(*args: P.args, **kwargs: P.kwargs) -> Representation:
            make = partial(read, *args, **kwargs)
            return cache.current.read(key(*args, **kwargs), schema, make)

        return through

    return decorate


def invalidate_after_commit(session: Session, key: str) -> None:
    """Invalidate a key once the transaction of this session has ended."""
    session.info.setdefault(INVALIDATE, set()).add(key)


@event.listens_for(Session, "after_transaction_end")
def _invalidate(session: Session, transaction: SessionTransaction) -> None:
    """Invalidate after a rollback too: a commit whose reply was lost looks like one."""
    if transaction.parent is None and (keys := session.info.pop(INVALIDATE, None)):
        cache.current.invalidate(sorted(keys))


cache = Extension[Cache]("cache")


def init_app(app: Flask, settings: CacheSettings) -> None:
    """Set up the application's cache."""
    url, ca_file = settings.redis_url, settings.redis_ca_file
    store = RedisStore(url, ca_file=ca_file) if url else InProcessStore()
    cache.set(app, Cache(store, settings.cache_ttl_seconds))
