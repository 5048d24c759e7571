import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from uuid import uuid4

import pytest
from pydantic import ValidationError
from redis import Redis, ResponseError

from app.core.api.conditional_requests import Representation
from app.core.caching import cache as caching
from app.core.caching import schema_digest
from app.core.caching.cache import Cache, InProcessStore, RedisStore, Store
from app.core.config.secret_url import SecretURL
from app.core.http import redis_server
from app.settings import Settings
from conftest import LogLines
from tests.redis_failover import failed_over
from tests.waiting import HANG_TIMEOUT_SECONDS

SECONDS = 60
SCHEMA = b"form"
NOWHERE = SecretURL("redis://127.0.0.1:1/0")
OTHERS = caching.LEASE + b" of somebody else"
PROJECT = Path(__file__).parents[3]


class Unreliable(InProcessStore):
    """A store that can be unavailable, as Redis can."""

    errors: tuple[type[Exception], ...] = (ConnectionError,)

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.calls = 0
        self.kept_for: list[int] = []

    def _count_call(self) -> None:
        self.calls += 1
        if self.away:
            raise ConnectionError

    def get_or_lease(self, key: str, schema: bytes, lease: bytes) -> tuple[bytes, bytes]:
        self._count_call()
        return super().get_or_lease(key, schema, lease)

    def fill(self, entry_key: bytes, lease: bytes, entry: bytes, milliseconds: int) -> None:
        self._count_call()
        self.kept_for.append(milliseconds)
        super().fill(entry_key, lease, entry, milliseconds)

    def invalidate(self, keys: list[str]) -> None:
        self._count_call()
        super().invalidate(keys)


class Counting(RedisStore):
    """A Redis that counts the reads of entries."""

    calls = 0

    def get_or_lease(self, key: str, schema: bytes, lease: bytes) -> tuple[bytes, bytes]:
        self.calls += 1
        return super().get_or_lease(key, schema, lease)


def in_redis() -> RedisStore:
    """Return a store with a prefix of its own: other runs start generations too."""
    return RedisStore(SecretURL(os.environ["TEST_REDIS_URL"]), f"tests/{uuid4()}")


redis = pytest.param(
    in_redis,
    marks=pytest.mark.skipif(
        "TEST_REDIS_URL" not in os.environ, reason="TEST_REDIS_URL names no Redis"
    ),
)


@pytest.fixture(params=[InProcessStore, redis])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    # A busy machine must not exceed the timeout.
    monkeypatch.setattr(redis_server, "REDIS_TIMEOUT_SECONDS", HANG_TIMEOUT_SECONDS)
    made: Store = request.param()
    return made


@pytest.fixture
def key() -> str:
    """Return the key of an entry."""
    return "notes/1"


class Source:
    """A function to read through the cache, which counts its calls."""

    def __init__(self) -> None:
        self.version = 1
        self.versions: list[int] = []

    def __call__(self) -> Representation:
        self.versions.append(self.version)
        return Representation(self.version, b'{"made of": "several words"}')

    @property
    def times(self) -> int:
        """The number of calls."""
        return len(self.versions)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.monotonic() + seconds
    monkeypatch.setattr(time, "monotonic", lambda: now)


def test_a_value_is_computed_once_and_then_read(store: Store, key: str) -> None:
    cache, source = Cache(store, SECONDS), Source()

    first, second = (cache.read(key, SCHEMA, source) for _ in range(2))

    assert first == second == Representation(1, b'{"made of": "several words"}')
    assert source.times == 1


def test_an_invalidated_entry_is_computed_again(store: Store, key: str) -> None:
    cache, source = Cache(store, SECONDS), Source()
    cache.read(key, SCHEMA, source)
    source.version = 2

    cache.invalidate([key, f"{key}/other"])

    assert cache.read(key, SCHEMA, source).version == 2


def test_a_value_that_a_change_overtook_is_not_stored(store: Store, key: str) -> None:
    cache, source = Cache(store, SECONDS), Source()

    def overtaken() -> Representation:
        old = source()
        source.version = 2
        cache.invalidate([key])
        return old

    assert cache.read(key, SCHEMA, overtaken).version == 1
    assert cache.read(key, SCHEMA, source).version == 2


def test_an_overtaken_value_does_not_replace_the_one_computed_after_the_change(
    store: Store, key: str
) -> None:
    cache, source = Cache(store, SECONDS), Source()

    def overtaken_twice() -> Representation:
        old = source()
        source.version = 2
        cache.invalidate([key])
        assert cache.read(key, SCHEMA, source).version == 2
        return old

    assert cache.read(key, SCHEMA, overtaken_twice).version == 1
    assert cache.read(key, SCHEMA, source).version == 2
    assert source.times == 2


def test_an_exception_is_not_kept(store: Store, key: str) -> None:
    cache = Cache(store, SECONDS)

    def fail() -> Representation:
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            cache.read(key, SCHEMA, fail)
    assert cache.read(key, SCHEMA, Source()).version == 1


def test_an_entry_of_another_schema_is_not_read_but_is_invalidated(store: Store, key: str) -> None:
    cache, source = Cache(store, SECONDS), Source()
    cache.read(key, b"another", source)
    assert cache.read(key, SCHEMA, source).version == 1
    assert source.times == 2

    source.version = 2
    cache.invalidate([key])

    assert cache.read(key, b"another", source).version == 2


def test_a_reader_that_finds_a_lease_waits_for_the_value(
    store: Store, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, source = Cache(store, SECONDS), Source()
    entry_key, found = store.get_or_lease(key, SCHEMA, OTHERS)
    assert found == OTHERS

    def finish(_seconds: float) -> None:
        store.fill(entry_key, OTHERS, b"form 7 {}", 1_000)

    monkeypatch.setattr(time, "sleep", finish)

    assert cache.read(key, SCHEMA, source) == Representation(7, b"{}")
    assert source.times == 0


def test_nobody_waits_longer_than_the_limit(
    store: Store, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, source = Cache(store, SECONDS), Source()
    monkeypatch.setattr(caching, "WAIT_SECONDS", 0)
    entry_key, _ = store.get_or_lease(key, SCHEMA, OTHERS)

    assert cache.read(key, SCHEMA, source).version == 1

    store.fill(entry_key, OTHERS, b"form 7 {}", 1_000)
    assert cache.read(key, SCHEMA, source).version == 7


def test_the_lease_of_a_killed_process_delays_a_reader_for_less_than_half_a_second(
    store: Store, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = clock = time.monotonic()

    def sleep(seconds: float) -> None:
        nonlocal clock
        clock += seconds

    monkeypatch.setattr(caching, "time", SimpleNamespace(monotonic=lambda: clock, sleep=sleep))
    store.get_or_lease(key, SCHEMA, OTHERS)

    assert Cache(store, SECONDS).read(key, SCHEMA, Source()).version == 1

    assert clock - began < 0.5


def test_a_lease_ends_by_itself(store: Store, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "LEASE_SECONDS", 0.001)
    store.get_or_lease(key, SCHEMA, OTHERS)
    time.sleep(0.003)
    source = Source()

    assert Cache(store, SECONDS).read(key, SCHEMA, source).version == 1
    assert source.times == 1


def test_a_new_generation_finds_nothing_of_the_one_before(store: Store, key: str) -> None:
    cache, source = Cache(store, SECONDS), Source()
    cache.read(key, SCHEMA, source)

    store.start_generation()

    cache.read(key, SCHEMA, source)
    assert source.times == 2


def test_entries_expire_after_their_ttl_at_different_times(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, source = Unreliable(), Source()
    cache = Cache(store, SECONDS)
    for number in range(20):
        cache.read(f"{key}/{number}", SCHEMA, source)
    assert len(set(store.kept_for)) > 1
    assert all(SECONDS * 900 < kept <= SECONDS * 1_000 for kept in store.kept_for)

    later(monkeypatch, SECONDS)

    cache.read(f"{key}/0", SCHEMA, source)
    assert source.times == 21


def test_a_process_keeps_a_limited_number_of_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "MAX_ENTRIES", 2)
    cache, source = Cache(InProcessStore(), SECONDS), Source()

    for key in ("first", "second", "third", "second", "third"):
        cache.read(key, SCHEMA, source)
    assert source.times == 3

    cache.read("first", SCHEMA, source)
    assert source.times == 4


def test_without_redis_every_value_is_computed_and_one_line_is_logged(
    key: str, log_lines: LogLines
) -> None:
    store, source = Counting(NOWHERE), Source()
    cache = Cache(store, SECONDS)

    for _ in range(3):
        assert cache.read(key, SCHEMA, source).version == 1
        cache.invalidate([key])

    assert source.times == 3
    assert store.calls == 1, "Redis was tried again at every read"
    (line,) = log_lines
    assert line["message"] == "Redis unavailable"
    assert line["fallback"] == "reads go to the database"


def test_every_failed_redis_command_raises_one_kind_of_error(key: str) -> None:
    store = RedisStore(NOWHERE)

    for request in (
        lambda: store.get_or_lease(key, SCHEMA, OTHERS),
        lambda: store.fill(b"place", OTHERS, b"", 1),
        lambda: store.invalidate([key]),
        store.start_generation,
    ):
        with pytest.raises(store.errors):
            request()


def test_a_change_while_redis_is_away_is_not_forgotten_when_it_returns(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, source = Unreliable(), Source()
    cache = Cache(store, SECONDS)
    cache.read(key, SCHEMA, source)

    store.away = True
    source.version = 2
    cache.invalidate([key])
    store.away = False

    calls_before = store.calls
    assert cache.read(key, SCHEMA, source).version == 2
    assert store.calls == calls_before, "left alone for a while"
    later(monkeypatch, redis_server.PAUSE_SECONDS)
    assert cache.read(key, SCHEMA, source).version == 2
    assert cache.read(key, SCHEMA, source).version == 2
    assert source.times == 3


def test_a_failover_of_redis_is_noticed_by_its_first_refusal(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "REDIS_TIMEOUT_SECONDS", HANG_TIMEOUT_SECONDS)
    stored = b"%b 5 {}" % SCHEMA
    with failed_over(b"*2\r\n$1\r\na\r\n$%d\r\n%b\r\n" % (len(stored), stored)) as url:
        cache, source = Cache(RedisStore(url), SECONDS), Source()
        assert [cache.read(key, SCHEMA, source).version for _ in range(2)] == [1, 1]

        later(monkeypatch, redis_server.PAUSE_SECONDS)
        assert [cache.read(key, SCHEMA, source).version for _ in range(2)] == [5, 5]


@pytest.mark.skipif("TEST_REDIS_URL" not in os.environ, reason="TEST_REDIS_URL names no Redis")
def test_reads_from_a_replica_are_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "REDIS_TIMEOUT_SECONDS", HANG_TIMEOUT_SECONDS)
    store, client = in_redis(), Redis.from_url(os.environ["TEST_REDIS_URL"])
    entry_key, _ = store.get_or_lease(key, SCHEMA, OTHERS)
    store.fill(entry_key, OTHERS, b"%b 1 {}" % SCHEMA, 60_000)
    prefix, generation = entry_key.decode().split(f"/{key}/")
    assert client.get(f"{prefix}/generation") == generation.encode()

    # A replica refuses every write.
    with pytest.raises(ResponseError, match="Write commands are not allowed"):
        client.eval_ro(
            store.GET_OR_LEASE, 2, f"{prefix}/generation", f"{prefix}/{key}/", SCHEMA, OTHERS, 5_000
        )


def test_a_change_is_sent_to_redis_even_during_the_pause(key: str) -> None:
    store, source = Unreliable(), Source()
    ours, others = Cache(store, SECONDS), Cache(store, SECONDS)
    store.away = True
    ours.read(key, SCHEMA, source)
    store.away = False
    others.read(key, SCHEMA, source)

    source.version = 2
    ours.invalidate([key])

    assert others.read(key, SCHEMA, source).version == 2


def test_a_value_that_cannot_be_stored_is_returned_nevertheless(key: str) -> None:
    store, source = Unreliable(), Source()

    def meanwhile_away() -> Representation:
        store.away = True
        return source()

    assert Cache(store, SECONDS).read(key, SCHEMA, meanwhile_away).version == 1


def test_a_schema_digest_changes_with_the_fields_of_the_schema() -> None:
    assert schema_digest(Representation) == schema_digest(Representation)
    assert schema_digest(Representation) != schema_digest(Representation, Representation)


def test_production_needs_redis(production: dict[str, str]) -> None:
    del production["redis_url"]

    with pytest.raises(ValidationError, match=r"redis_url\n.*is required in production"):
        Settings.model_validate(production)


@pytest.mark.slow
def test_a_hundred_misses_at_once_compute_one_value(
    store: Store, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine must not exceed these.
    monkeypatch.setattr(caching, "LEASE_SECONDS", 60)
    monkeypatch.setattr(caching, "WAIT_SECONDS", 60)
    cache, source = Cache(store, SECONDS), Source()
    barrier = Barrier(100)

    def slowly() -> Representation:
        time.sleep(0.1)
        return source()

    def read(_: int) -> Representation:
        barrier.wait()
        return cache.read(key, SCHEMA, slowly)

    with ThreadPoolExecutor(100) as threads:
        values = list(threads.map(read, range(100)))

    assert {value.version for value in values} == {1}
    assert source.times == 1


# Each process reads one key in four threads, at the same moment.
READER = """
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
from app.core.api.conditional_requests import Representation
from app.core.caching import cache as caching
from app.core.config.secret_url import SecretURL
from app.core.http import redis_server

# A busy machine must not exceed these.
caching.LEASE_SECONDS = caching.WAIT_SECONDS = redis_server.REDIS_TIMEOUT_SECONDS = 60

def make():
    print("made", flush=True)
    time.sleep(0.2)
    return Representation(1, b"{}")

name, moment = sys.argv[1], float(sys.argv[2])
cache = caching.Cache(caching.RedisStore(SecretURL(os.environ["TEST_REDIS_URL"]), name), 60)
cache.read("another", b"form", lambda: Representation(1, b"{}"))
time.sleep(max(0, moment - time.time()))
with ThreadPoolExecutor(4) as threads:
    values = list(threads.map(lambda _: cache.read("one", b"form", make), range(4)))
assert all(value == Representation(1, b"{}") for value in values)
print("read", flush=True)
"""


@pytest.mark.process
@pytest.mark.skipif("TEST_REDIS_URL" not in os.environ, reason="TEST_REDIS_URL names no Redis")
def test_processes_that_miss_at_once_compute_one_value() -> None:
    command = [sys.executable, "-c", READER, f"tests/{uuid4()}", str(time.time() + 4)]
    readers = [
        subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]

    outputs = [reader.communicate(timeout=HANG_TIMEOUT_SECONDS)[0].split() for reader in readers]

    assert [reader.returncode for reader in readers] == [0, 0, 0]
    assert sorted(word for output in outputs for word in output) == ["made", "read", "read", "read"]
