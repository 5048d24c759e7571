import time

import pytest

from app.core import redis_server
from app.core.redis_server import Availability
from conftest import LogLines


def test_requests_that_fail_together_are_one_line(log_lines: LogLines) -> None:
    availability = Availability("and so on")

    for _ in range(3):
        availability.failed(ConnectionError())

    (line,) = log_lines
    assert line["message"] == "Redis does not answer; and so on"
    assert (line["error"], line["retry_seconds"]) == ("ConnectionError", 5.0)


def test_after_a_pause_redis_is_asked_again(
    log_lines: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    availability = Availability("and so on")
    assert availability.is_expected()

    availability.failed(ConnectionError())
    assert not availability.is_expected()

    resumed = time.monotonic() + redis_server.PAUSE_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: resumed)
    assert availability.is_expected()
    availability.failed(ConnectionError())
    assert len(log_lines) == 2
