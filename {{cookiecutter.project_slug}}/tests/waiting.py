"""How long tests wait for processes, threads and sockets: one number for all of them."""

import time
from collections.abc import Callable

HANG_TIMEOUT_SECONDS = 120.0
"""Only a hang takes this long, on the busiest machine too: no test waits for less than a minute."""
POLL_SECONDS = 0.05


def wait_until(happened: Callable[[], object]) -> None:
    """Ask until something has happened.

    Raises:
        TimeoutError: when it does not happen.

    """
    deadline = time.monotonic() + HANG_TIMEOUT_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(happened)
        time.sleep(POLL_SECONDS)
