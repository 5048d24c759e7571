"""How long tests and drills wait for processes, threads and sockets: one number for all of them."""

import time
from collections.abc import Callable

HANG_TIMEOUT_SECONDS = 120
"""Only a hang takes this long, on the busiest machine too: nothing here waits for less than a minute."""
POLL_SECONDS = 0.02


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Ask until something has happened.

    Raises:
        TimeoutError: when it does not happen; the message says what.

    """
    deadline = time.monotonic() + HANG_TIMEOUT_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            message = f"{what}: not within {HANG_TIMEOUT_SECONDS} s"
            raise TimeoutError(message)
        time.sleep(POLL_SECONDS)
