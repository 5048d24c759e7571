"""Counts emails per recipient, for services without a database."""

import time
from collections.abc import Callable

# {% if cookiecutter.rate_limiting %}
from app.core.config.secret_url import SecretURL
from app.core.config.tls import CAFile
from app.core.http import rate_limits

# {% endif %}
Hit = Callable[[str, int], int]
"""Increments a key's count in a window of this many seconds, and returns the count."""


# {% if not cookiecutter.rate_limiting %}
class MemoryStorage:
    """Counts in the memory of this process, for one window at a time."""

    def __init__(self) -> None:
        self._window = 0
        self._counts: dict[str, int] = {}

    def hit(self, key: str, seconds: int) -> int:
        """Increment a key's count in the current window, and return it."""
        window = int(time.time() / seconds)
        if window != self._window:
            self._window, self._counts = window, {}
        self._counts[key] = count = self._counts.get(key, 0) + 1
        return count


# {% endif %}
class FixedWindowCounter:
    """Counts in fixed windows, aligned to the clock.

    # {% if cookiecutter.rate_limiting %}
    All processes share the counts in Redis, like those of rate limits. Without REDIS_URL, each
    process counts on its own. Nothing connects to Redis before the first count.
    # {% else %}
    Each process counts on its own, because processes share no storage.
    # {% endif %}
    """

    _hit: Hit

    def __init__(  # one line where it fits
        self,
        # {% if cookiecutter.rate_limiting %}
        redis_url: SecretURL | None = None,
        ca_file: CAFile = None,
        # {% endif %}
    ) -> None:
        # {% if not cookiecutter.rate_limiting %}
        self._hit = MemoryStorage().hit
        # {% endif %}
        # {% if cookiecutter.rate_limiting %}
        self._hit = rate_limits.Counters(redis_url, ca_file).hit
        # {% endif %}

    def add(self, category: str, recipient: str, message_id: str, seconds: int) -> int:
        """Count an email and return the recipient's count; 0 for a retry, already counted."""
        if self._hit(f"email/{message_id}", seconds) > 1:
            return 0
        window = int(time.time() / seconds)
        return self._hit(f"email/{category}/{recipient}/{window}", seconds)

    def withdraw(self, message_id: str) -> None:
        """Do nothing: the email stays counted, because a retry is not counted again."""
