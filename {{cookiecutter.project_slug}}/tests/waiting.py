"""The timeout of all tests that wait for processes, threads or sockets."""

import time
from collections.abc import Callable

HANG_TIMEOUT_SECONDS = 120.0
"""Even on a busy machine, only a hang takes this long. No test uses a timeout below a minute."""
POLL_SECONDS = 0.05


def wait_until(happened: Callable[[], object]) -> None:
    """Poll a condition until it is true.

    Raises:
        TimeoutError: when it is not true within HANG_TIMEOUT_SECONDS.

    """
    deadline = time.monotonic() + HANG_TIMEOUT_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(happened)
        time.sleep(POLL_SECONDS)
