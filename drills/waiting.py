"""The timeout of tests and drills that wait for processes, threads and sockets."""

import time
from collections.abc import Callable

HANG_TIMEOUT_SECONDS = 120
"""Exceeded only by a hang, even on a busy machine. No test waits for less than a minute."""
POLL_SECONDS = 0.02


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Wait until a condition is true.

    Raises:
        TimeoutError: if it does not become true in time; the message names it.

    """
    deadline = time.monotonic() + HANG_TIMEOUT_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            message = f"{what}: not within {HANG_TIMEOUT_SECONDS} s"
            raise TimeoutError(message)
        time.sleep(POLL_SECONDS)
