# {% if cookiecutter.rate_limiting %}
import os
import secrets

# {% endif %}
import time

import pytest

from app.core import (
    recipient_counters,
    # {% if cookiecutter.rate_limiting %}
    secret_url,
    # {% endif %}
)

Counters = recipient_counters.Counters


def made() -> recipient_counters.Counters:
    return Counters(
        # {% if cookiecutter.rate_limiting %}
        None,
        # {% endif %}
    )


# {% if cookiecutter.rate_limiting %}
@pytest.mark.skipif("TEST_REDIS_URL" not in os.environ, reason="TEST_REDIS_URL names no server")
def test_processes_count_together_in_redis() -> None:
    url = secret_url.SecretURL(os.environ["TEST_REDIS_URL"])
    recipient = secrets.token_hex(8)

    numbers = [
        Counters(url).add("share", recipient, f"<{recipient}.{name}>", 60) for name in "abcb"
    ]

    assert numbers == [1, 2, 3, 0]


# {% endif %}
def test_an_email_counts_once_in_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = made()
    monkeypatch.setattr(time, "time", lambda: 1_000.0)

    assert [counters.add("share", "ada", f"<{name}>", 60) for name in "abb"] == [1, 2, 0]
    counters.take_back("<b>")
    assert counters.add("share", "ada", "<c>", 60) == 3
    assert counters.add("share", "bob", "<d>", 60) == counters.add("other", "ada", "<e>", 60) == 1

    monkeypatch.setattr(time, "time", lambda: 1_060.0)
    assert counters.add("share", "ada", "<f>", 60) == 1
