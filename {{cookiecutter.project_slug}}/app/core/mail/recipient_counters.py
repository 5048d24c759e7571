"""How many emails recipients have had, for services without a database."""

import time
from collections.abc import Callable

# {% if cookiecutter.rate_limiting %}
from app.core.config.secret_url import SecretURL
from app.core.config.tls import CAFile
from app.core.http import rate_limits

# {% endif %}
Hit = Callable[[str, int], int]
"""Counts one for a key in a window of so many seconds, and returns the sum in this window."""


# {% if not cookiecutter.rate_limiting %}
class LocalCounts:
    """Counts in this process, for one window at a time."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._window = 0
        self._counts: dict[str, int] = {}

    def hit(self, key: str, seconds: int) -> int:
        """Count one and return the sum in this window."""
        window = int(time.time() / seconds)
        if window != self._window:
            self._window, self._counts = window, {}
        self._counts[key] = count = self._counts.get(key, 0) + 1
        return count


# {% endif %}
class Counters:
    """Counts by windows that start on the clock.

    # {% if cookiecutter.rate_limiting %}
    In Redis, as rate limits are, for all processes together; without REDIS_URL each process counts for
    itself.
    # {% else %}
    Each process counts for itself, because they share nothing.
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
        """Take where to count; nothing is connected yet."""
        # {% if not cookiecutter.rate_limiting %}
        self._hit = LocalCounts().hit
        # {% endif %}
        # {% if cookiecutter.rate_limiting %}
        self._hit = rate_limits.Counters(redis_url, ca_file).hit
        # {% endif %}

    def add(self, share: str, recipient: str, message_id: str, seconds: int) -> int:
        """Count an email and return the sum; one that is tried again was counted before."""
        if self._hit(f"email/{message_id}", seconds) > 1:
            return 0
        window = int(time.time() / seconds)
        return self._hit(f"email/{share}/{recipient}/{window}", seconds)

    def withdraw(self, message_id: str) -> None:
        """Leave it counted, since its next try is not counted."""
