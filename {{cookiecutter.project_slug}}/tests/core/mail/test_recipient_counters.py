import time

import pytest

from app.core.mail.recipient_counters import FixedWindowCounter


def test_an_email_counts_once_in_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = FixedWindowCounter()
    monkeypatch.setattr(time, "time", lambda: 1_000.0)

    assert [counters.add("category", "ada", f"<{name}>", 60) for name in "abb"] == [1, 2, 0]
    counters.withdraw("<b>")
    assert counters.add("category", "ada", "<c>", 60) == 3
    assert (
        counters.add("category", "bob", "<d>", 60) == counters.add("other", "ada", "<e>", 60) == 1
    )

    monkeypatch.setattr(time, "time", lambda: 1_060.0)
    assert counters.add("category", "ada", "<f>", 60) == 1
