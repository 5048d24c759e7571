import os
import secrets

import pytest

from app.core.config.secret_url import SecretURL
from app.core.http import redis_server
from app.core.mail.recipient_counters import FixedWindowCounter
from tests.waiting import HANG_TIMEOUT_SECONDS


@pytest.mark.skipif("TEST_REDIS_URL" not in os.environ, reason="TEST_REDIS_URL names no server")
def test_processes_count_together_in_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "REDIS_TIMEOUT_SECONDS", HANG_TIMEOUT_SECONDS)
    url = SecretURL(os.environ["TEST_REDIS_URL"])
    recipient = secrets.token_hex(8)

    numbers = [
        FixedWindowCounter(url).add("category", recipient, f"<{recipient}.{name}>", 60)
        for name in "abcb"
    ]

    assert numbers == [1, 2, 3, 0]
