from uuid import uuid4

import pytest
from flask import Flask

from app.core.errors import Unprocessable
from app.webhooks import replay_cache
from app.webhooks.handlers import Event, EventType
from app.webhooks.replay_cache import ReplayCache
from app.webhooks.tests import NoteSchema


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


def test_an_id_is_kept_only_if_every_handler_succeeded(app: Flask) -> None:
    called: list[Event] = []

    def fail_once(event: Event) -> None:
        called.append(event)
        if len(called) == 1:
            raise Unprocessable

    delivery_id = uuid4().hex
    event_type = EventType("note.added", NoteSchema, NoteSchema, [fail_once])
    with app.app_context():
        with pytest.raises(Unprocessable):
            replay_cache.process(event_type, delivery_id, {})
        for _ in range(2):
            replay_cache.process(event_type, delivery_id, {})

    assert [event.delivery_id for event in called] == [delivery_id] * 2
