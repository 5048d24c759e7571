"""Messages that are not tasks; real workers receive them in `tests/core/tasks/test_workers.py`."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from queue import Empty
from types import SimpleNamespace
from uuid import uuid4

import pytest
from celery import Celery, signals
from celery.exceptions import InvalidTaskError
from kombu.exceptions import DecodeError
from kombu.message import Message

from app.core.tasks.consumer import Consumer
from app.core.tasks.redis_transport import Message as RedisMessage
from app.core.tasks.redis_transport import QoS, Transport
from conftest import LogLines

QUEUE = "consumed"
TASK = json.dumps([["CANARY"], {}, {"callbacks": None, "chain": None}])


class Lost(Exception):  # noqa: N818  as those of transports
    """The connection is lost."""


def fail(_: Message, *__: object) -> None:
    raise ZeroDivisionError("CANARY")


def miss(_: Message, *__: object) -> None:
    raise KeyError("id")


def refuse(_: Message, *__: object) -> None:
    raise InvalidTaskError("CANARY")


def spoil(_: Message, *__: object) -> None:
    raise DecodeError("CANARY")


def lose(_: Message, *__: object) -> None:
    raise Lost


@pytest.fixture
def rejected() -> Iterator[list[object]]:
    """Return the messages that Celery's signal reports as rejected."""
    messages: list[object] = []

    def record(message: object, **_: object) -> None:
        messages.append(message)

    before = list(signals.task_rejected.receivers)
    signals.task_rejected.connect(record)
    yield messages
    signals.task_rejected.receivers[:] = before


@pytest.fixture
def handle() -> Callable[[Message], object]:
    """Return a consumer's message handler, without the rest of a worker."""
    consumer = object.__new__(Consumer)
    parts: dict[str, object] = {
        "app": None,
        "channel_errors": (),
        "connection_errors": (Lost, KeyError),  # as Redis' transport has
        "on_task_message": set(),
        "strategies": {
            "failing": fail,
            "incomplete": miss,
            "invalid": refuse,
            "losing": lose,
            "undecodable": spoil,
        },
        "_maximum_prefetch_restored": True,
    }
    vars(consumer).update(parts)
    return consumer.create_task_handler()


def delivered(headers: object, body: str = TASK) -> Message:
    """Send a message over a broker in memory, and return it as it arrives."""
    connection = Celery(
        uuid4().hex, broker="memory://", set_as_current=False
    ).connection_for_write()
    channel = connection.default_channel
    channel.queue_declare(QUEUE)
    raw = channel.prepare_message(body, headers=headers, content_type="application/json")
    channel.basic_publish(raw, "", QUEUE)
    message: Message = channel.basic_get(QUEUE)
    return message


def test_a_message_that_is_not_a_task_is_rejected_and_not_logged(
    handle: Callable[[Message], object], rejected: list[object], log_lines: LogLines
) -> None:
    for headers, body, reason in (
        ({"task": "unknown"}, TASK, "KeyError"),
        ({"task": []}, TASK, "TypeError"),
        ({"task": "failing"}, TASK, "ZeroDivisionError"),
        ({"task": "incomplete"}, TASK, "KeyError"),
        ({"task": "invalid"}, TASK, "InvalidTaskError"),
        ({"task": "failing", "timelimit": [60, 1.5]}, TASK, "ZeroDivisionError"),
        ({"task": "failing", "timelimit": ["a", None]}, TASK, "InvalidTaskError"),
        ({"task": "failing", "timelimit": [1]}, TASK, "InvalidTaskError"),
        ({"task": "failing"}, '[[], {}, {"errbacks": "CANARY"}]', "InvalidTaskError"),
        ({"task": "failing"}, '{"CANARY": 1}', "ValueError"),
        ({"task": "failing"}, "CANARY", "DecodeError"),
        ({}, "CANARY", "DecodeError"),
        ({"task": "undecodable"}, TASK, "DecodeError"),
        ({}, TASK, "unknown"),
    ):
        message = delivered(headers, body)
        handle(message)

        assert message.acknowledged
        assert rejected[-1] is message
        assert log_lines[-1]["message"] == "message rejected"
        assert log_lines[-1]["error.type"] == reason
    assert "CANARY" not in str(log_lines)


def test_a_message_is_rejected_once(
    handle: Callable[[Message], object], rejected: list[object]
) -> None:
    message = delivered({"task": "unknown"})
    message.reject_log_error(logging.getLogger(), ())

    handle(message)

    assert rejected == [message]


def test_a_lost_connection_is_left_to_celery(handle: Callable[[Message], object]) -> None:
    with pytest.raises(Lost):
        handle(delivered({"task": "losing"}))


def test_an_entry_that_is_no_message_is_logged_without_its_text(log_lines: LogLines) -> None:
    transport = object.__new__(Transport)
    found: list[int] = []

    def read(descriptor: int) -> None:
        found.append(descriptor)
        if descriptor == 1:
            raise ValueError("CANARY")
        if descriptor == 2:
            raise transport.connection_errors[0]
        if descriptor == 3:
            raise Empty

    vars(transport)["cycle"] = SimpleNamespace(on_readable=read)
    transport.on_readable(0)
    transport.on_readable(1)
    with pytest.raises(transport.connection_errors[0]):
        transport.on_readable(2)
    with pytest.raises(
        Empty
    ):  # nothing has arrived: Celery's loop expects this error, and nothing is logged
        transport.on_readable(3)

    assert found == [0, 1, 2, 3]
    (line,) = log_lines
    assert line["message"] == "malformed message discarded"
    assert line["error.type"] == "ValueError"
    assert "CANARY" not in str(line)


def test_an_entry_that_lacks_something_is_not_taken_for_a_lost_connection() -> None:
    whole = {"delivery_tag": "1", "delivery_info": {"exchange": "", "routing_key": QUEUE}}
    assert RedisMessage({"properties": whole}).delivery_tag == "1"
    incomplete: tuple[dict[str, object], ...] = (
        {},
        {"properties": {}},
        {"properties": {**whole, "delivery_info": {}}},
        {"properties": {**whole, "delivery_tag": None}},
    )
    for payload in incomplete:
        with pytest.raises(ValueError, match=r"^'?\w+'?$"):
            RedisMessage(payload)


def test_malformed_unacknowledged_messages_are_dropped_and_the_others_requeued(
    log_lines: LogLines,
) -> None:
    whole: dict[str, object] = {"headers": {}, "properties": {"delivery_info": {}}}
    kept: dict[str, bytes] = {
        "not JSON": b"CANARY",
        "not three": b'["CANARY"]',
        "no mapping": b'["CANARY", "", "queue"]',
        "no headers": json.dumps([{**whole, "headers": None}, "", "queue"]).encode(),
        "no properties": json.dumps([{"headers": {}}, "", "queue"]).encode(),
        "no name": json.dumps([whole, {}, "queue"]).encode(),
        "message": json.dumps([whole, "", "queue"]).encode(),
    }
    dropped: list[str] = []
    restored: list[object] = []
    client = SimpleNamespace(
        hget=lambda _, tag: kept.get(tag), transaction=lambda act, _: restored.append(act)
    )
    qos = object.__new__(QoS)
    vars(qos)["channel"] = SimpleNamespace(
        unacked_key="unacked", conn_or_acquire=lambda _: nullcontext(client)
    )
    vars(qos)["ack"] = dropped.append
    for tag in (*kept, "gone"):
        qos.restore_by_tag(tag)

    assert dropped == list(kept)[:-1]
    assert len(restored) == 2  # kombu itself drops a missing message
    assert {line["message"] for line in log_lines} == {"malformed message discarded"}
    assert "CANARY" not in str(log_lines)
