"""Answers to reads, kept for a while in Redis; in development in this process, unless one is named.

An answer that is outdated is never stored, and one recompute serves all who wait for it. Both come
from one token: whoever finds nothing leaves a lease in its place, reads the database, and stores
the answer only where its own lease still lies.

- A change takes away whatever lies there, after its commit. A reader that read the old row before
  it finds its lease gone and stores nothing; a reader that comes later reads the new row.
- Whoever finds a lease waits for the answer, for a bounded time, and then reads for itself. A lease
  ends by itself, so a process that dies with one holds nobody up for long.

While Redis does not answer, everything is read from the database, and changes cannot be told. So a
process that has seen Redis fail begins a new generation before it reads again: what was stored
before is then found by nobody.
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

from flask import Flask, current_app
from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from app.core import (  # one line where it fits
    # {% if cookiecutter.tracing %}
    observability,
    # {% endif %}
    pipeline,
)
from app.core.api.conditional_requests import Representation
from app.core.config import NAME, required_in_production
from app.core.config.secret_url import SecretURL
from app.core.http import redis_server
from app.core.http.redis_server import Availability, RedisSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from redis import ConnectionPool

LEASE_SECONDS = 5.0  # how long an answer may be in the making; a later one is not stored
# How long a request waits for somebody else's. Reading takes milliseconds, and the other process may have
# been killed: until its lease ends, every reader of that answer waits for so long.
WAIT_SECONDS = 0.25
POLL_SECONDS = 0.01
LARGEST = 1_000  # answers that a process keeps by itself

FORGET = "caching.forget"
LEASE = b"?"  # begins a lease, and no answer
HIT, MISS, BYPASS = OUTCOMES = ("hit", "miss", "bypass")

P = ParamSpec("P")
R = TypeVar("R")


class CacheSettings(RedisSettings):
    """Cached reads."""

    cache_seconds: int = Field(default=60, ge=1, le=86_400)
    """The lifetime of a cached response, in seconds."""

    @field_validator("redis_url")
    @classmethod
    def _shared_in_production(
        cls, value: SecretURL | None, info: ValidationInfo
    ) -> SecretURL | None:
        """Refuse production without Redis: processes would not learn of each other's changes."""
        return cast("SecretURL | None", required_in_production(value, info))


class Store(Protocol):
    """Where answers lie. Each method is one step that nothing comes between."""

    errors: tuple[type[Exception], ...]
    """What is raised when it is away."""
    pool: "ConnectionPool | None"
    """Connections to it."""

    def look(self, key: str, form: bytes, lease: bytes) -> tuple[bytes, bytes]:
        """Return the place of a key and what lies there, after leaving a lease if nothing does.

        An answer in another form is nothing.
        """

    def settle(self, place: bytes, lease: bytes, answer: bytes, milliseconds: int) -> None:
        """Put an answer in the place of this lease, if it still lies there; without one, nothing."""

    def forget(self, keys: list[str]) -> None:
        """Take away what lies there, answers and leases."""

    def renew(self) -> None:
        """Begin a new generation, which finds nothing of the one before."""


class InProcess:
    """Answers of one process."""

    errors: tuple[type[Exception], ...] = ()
    pool: "ConnectionPool | None" = None

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = Lock()
        self._kept: dict[bytes, tuple[bytes, float]] = {}

    def look(self, key: str, form: bytes, lease: bytes) -> tuple[bytes, bytes]:
        """Return the key as its place, and what lies there."""
        place, now = key.encode(), time.monotonic()
        with self._lock:
            found, ends = self._kept.get(place, (b"", 0.0))
            if now < ends and found.startswith((LEASE, form)):
                return place, found
            self._put(place, lease, now + LEASE_SECONDS)
        return place, lease

    def settle(self, place: bytes, lease: bytes, answer: bytes, milliseconds: int) -> None:
        """Put an answer in the place of this lease, if it still lies there."""
        with self._lock:
            if self._kept.get(place, (b"", 0.0))[0] == lease:
                self._put(place, answer, time.monotonic() + milliseconds / 1e3)

    def forget(self, keys: list[str]) -> None:
        """Take away what lies there."""
        with self._lock:
            for key in keys:
                self._kept.pop(key.encode(), None)

    def renew(self) -> None:
        """Take away everything."""
        with self._lock:
            self._kept.clear()

    def _put(self, place: bytes, content: bytes, ends: float) -> None:
        """Put the latest last; the one put longest ago makes room."""
        self._kept.pop(place, None)
        self._kept[place] = content, ends
        if len(self._kept) > LARGEST:
            del self._kept[next(iter(self._kept))]


class InRedis:
    """Answers that all processes share, each under the generation that it was stored in."""

    LOOK = """
        local generation = redis.call('GET', KEYS[1])
        if not generation then
            generation = ARGV[2]
            redis.call('SET', KEYS[1], generation)
        end
        -- Changes nothing. A replica refuses each write, and may not have heard of the last changes.
        redis.call('PERSIST', KEYS[1])
        local place = KEYS[2] .. generation
        local found = redis.call('GET', place)
        if found and (string.sub(found, 1, 1) == '?'
                or string.sub(found, 1, #ARGV[1]) == ARGV[1]) then
            return {place, found}
        end
        redis.call('SET', place, ARGV[2], 'PX', ARGV[3])
        return {place, ARGV[2]}
    """
    SETTLE = """
        if redis.call('GET', KEYS[1]) == ARGV[1] then
            if ARGV[2] == '' then
                redis.call('DEL', KEYS[1])
            else
                redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
            end
        end
    """
    FORGET = """
        local generation = redis.call('GET', KEYS[1])
        for number = 2, #KEYS do
            redis.call('DEL', KEYS[number] .. (generation or ''))
        end
    """

    def __init__(
        self, url: SecretURL, prefix: str = f"{NAME}/cache", ca_file: Path | None = None
    ) -> None:
        """Connect to nothing yet: the first request does. The prefix keeps others' keys apart."""
        # Imported here because it takes long to load, which only those who use it should pay.
        from redis import Redis, RedisError  # noqa: PLC0415

        self.errors: tuple[type[Exception], ...] = (RedisError,)
        self.pool: ConnectionPool | None = redis_server.pool(url, ca_file)
        self._redis = Redis(connection_pool=self.pool)
        scripts: Iterator[Callable[..., object]]
        scripts = map(self._redis.register_script, (self.LOOK, self.SETTLE, self.FORGET))
        self._set: Callable[..., object] = self._redis.set
        # {% if cookiecutter.tracing %}
        scripts = (
            observability.redis_spans.traced(self._redis, "EVALSHA", script) for script in scripts
        )
        self._set = observability.redis_spans.traced(self._redis, "SET", self._set)
        # {% endif %}
        self._look, self._settle, self._forget = scripts
        self._prefix = prefix
        self._generation = f"{prefix}/generation"

    def look(self, key: str, form: bytes, lease: bytes) -> tuple[bytes, bytes]:
        """Return where a key lies in this generation, and what lies there: one round trip."""
        keys, lasts = [self._generation, self._named(key)], int(LEASE_SECONDS * 1e3)
        return cast("tuple[bytes, bytes]", self._look(keys, [form, lease, lasts]))

    def settle(self, place: bytes, lease: bytes, answer: bytes, milliseconds: int) -> None:
        """Put an answer in the place of this lease, if it still lies there."""
        self._settle([place], [lease, answer, milliseconds])

    def forget(self, keys: list[str]) -> None:
        """Take away what lies there in this generation."""
        self._forget([self._generation, *map(self._named, keys)])

    def renew(self) -> None:
        """Let what was stored before end unread."""
        self._set(self._generation, secrets.token_hex(8))

    def _named(self, key: str) -> str:
        """Return what a key begins with there; the generation follows."""
        return f"{self._prefix}/{key}/"


class Cache:
    """Reads through a store, and does without it while it is away."""

    def __init__(self, store: Store, seconds: int) -> None:
        """Take where answers are kept and for how long."""
        self.observers: list[Callable[[str], None]] = [_note]
        """Who is told what became of each read: one of OUTCOMES."""
        self._store = store
        self._milliseconds = seconds * 1_000
        self._availability = Availability("what is cached is read from the database", store.pool)
        self._renewed = 0
        self._lock = Lock()

    def read(self, key: str, form: bytes, make: Callable[[], Representation]) -> Representation:
        """Return what is stored under a key in this form, or make it; the exceptions are `make`'s.

        It waits for somebody else who makes it for WAIT_SECONDS, and for Redis for REDIS_SECONDS.
        """
        lease = LEASE + secrets.token_bytes(16)
        waits_until = time.monotonic() + WAIT_SECONDS
        while looked := self._ask(partial(self._store.look, key, form, lease)):
            place, found = looked
            if found == lease:
                self._tell(MISS)
                return self._made(place, lease, form, make)
            if not found.startswith(LEASE):
                self._tell(HIT)
                _, version, json = found.split(b" ", 2)
                return Representation(int(version), json)
            if time.monotonic() >= waits_until:
                break
            time.sleep(POLL_SECONDS)
        self._tell(BYPASS)
        return make()

    def forget(self, keys: list[str]) -> None:
        """Let the next read of each key be a new one; if Redis is away, the next one of any key.

        Redis is not spared this while it is left alone: other processes may be reading there again.
        """
        self._ask(partial(self._store.forget, keys), insists=True)

    def _tell(self, outcome: str) -> None:
        for observer in self.observers:
            observer(outcome)

    def _made(
        self, place: bytes, lease: bytes, form: bytes, make: Callable[[], Representation]
    ) -> Representation:
        answer = b""
        try:
            made = make()
            answer = b"%b %d %b" % (form, made.version, made.json)
        finally:
            # A tenth less for some, so that what was stored together does not end together.
            spread = secrets.randbelow(self._milliseconds // 10)
            self._ask(
                partial(self._store.settle, place, lease, answer, self._milliseconds - spread)
            )
        return made

    def _ask(self, question: Callable[[], R], *, insists: bool = False) -> R | None:
        """Ask the store, which is None while it is away."""
        if not (insists or self._availability.is_expected()):
            return None
        try:
            self._begin_anew_after_failures()
            return question()
        except self._store.errors as error:
            self._availability.failed(error)
            return None

    def _begin_anew_after_failures(self) -> None:
        """Begin a new generation before the first question that follows a failure."""
        with self._lock:
            # Counted before: a change that cannot be told meanwhile asks for one more.
            if self._renewed != (failures := self._availability.failures):
                self._store.renew()
                self._renewed = failures


def _note(outcome: str) -> None:
    """Let log lines and spans of this request say what became of its cached read."""
    if exchange := pipeline.current():
        exchange.log_fields["cache"] = outcome


def form_of(*shapes: "type[DataclassInstance]") -> bytes:
    """Name the form of an answer by the fields that it is made of.

    The form is stored with the answer, not in its key: while two releases run side by side, each
    must take away what the other one stored, and read only its own.
    """
    named = [(each.name, str(each.type)) for shape in shapes for each in fields(shape)]
    return hashlib.sha256(repr(named).encode()).hexdigest()[:12].encode()


def cached(
    key: Callable[P, str], form: bytes
) -> Callable[[Callable[P, Representation]], Callable[P, Representation]]:
    """Read through the cache, under the key that the arguments make.

    A key names everything that the answer depends on, above all whose it is.
    """

    def decorate(read: Callable[P, Representation]) -> Callable[P, Representation]:
        @wraps(read)
        def through(*args: P.args, **kwargs: P.kwargs) -> Representation:
            make = partial(read, *args, **kwargs)
            return of(current_app).read(key(*args, **kwargs), form, make)

        return through

    return decorate


def forget_after_commit(session: Session, key: str) -> None:
    """Forget what is stored under a key once the transaction of this session has ended."""
    session.info.setdefault(FORGET, set()).add(key)


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    """Forget after a rollback too: a commit whose answer was lost looks like one."""
    if transaction.parent is None and (keys := session.info.pop(FORGET, None)):
        of(current_app).forget(sorted(keys))


def of(app: Flask) -> Cache:
    """Return the cache of this application."""
    return cast("Cache", app.extensions["caching"])


def init_app(app: Flask, settings: CacheSettings) -> None:
    """Give the application its cache."""
    url, ca_file = settings.redis_url, settings.redis_ca_file
    store = InRedis(url, ca_file=ca_file) if url else InProcess()
    app.extensions["caching"] = Cache(store, settings.cache_seconds)
