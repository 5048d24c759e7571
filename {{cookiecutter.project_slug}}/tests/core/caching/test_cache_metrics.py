import re

from flask.testing import FlaskClient

from app.core.api.conditional_requests import Representation
from app.core.caching.cache import Cache, cache
from conftest import MakeApp


def lookups(client: FlaskClient) -> dict[str, float]:
    found = re.findall(
        r'^cache_reads_total.outcome="(.*)". (.*)$', client.get("/metrics").text, re.MULTILINE
    )
    return {outcome: float(number) for outcome, number in found}


def read(cache: Cache, key: str) -> None:
    assert cache.read(key, b"form", lambda: Representation(1, b"{}")).json == b"{}"


def test_cached_reads_are_counted_by_outcome(make_app: MakeApp) -> None:
    app = make_app(redis_url=None)
    client, own = app.test_client(), cache.of(app)
    assert lookups(client) == {"hit": 0, "miss": 0, "bypass": 0}

    for key in ("a", "a", "a", "b"):
        read(own, key)

    assert lookups(client) == {"hit": 2, "miss": 2, "bypass": 0}


def test_reads_without_a_reply_of_redis_are_bypasses(make_app: MakeApp) -> None:
    app = make_app(redis_url="redis://127.0.0.1:1/0")

    for _ in range(3):
        read(cache.of(app), "a")

    assert lookups(app.test_client()) == {"hit": 0, "miss": 0, "bypass": 3}
