import pytest

from app.webhooks import replay_cache
from app.webhooks.replay_cache import ReplayCache


def test_ids_are_forgotten_after_their_time_and_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(replay_cache, "MAX_DELIVERIES", 3)
    seen = ReplayCache(seconds=10)

    assert [seen.first(name) for name in "abcabc"] == [True] * 3 + [False] * 3
    assert seen.first("d")  # the oldest id has been removed
    assert seen.first("a")
    assert not seen.first("d")
    now += 10
    assert seen.first("d")
    assert not seen.first("d")
