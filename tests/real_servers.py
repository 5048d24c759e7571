"""The database servers, Redis and brokers that tests need, and whether they run.

Without them such a test is skipped with a reason; with REQUIRE_SERVICES it fails. Delete it when no
test needs a server of the machine.
"""

import os
import socket
from typing import NoReturn
from urllib.parse import urlsplit

import pytest

from drills.waiting import HANG_TIMEOUT_SECONDS

# Loopback by default; variables such as TEST_POSTGRESQL_URL name other servers.
URLS = {
    name: os.environ.get(f"TEST_{name.upper()}_URL", default)
    for name, default in {
        "postgresql": "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
        "mysql": "mysql+pymysql://root@127.0.0.1:3306/test",
        "redis": "redis://127.0.0.1:6379/0",
        "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//",
    }.items()
}


def reachable(name: str) -> bool:
    """Return whether a server listens at this URL."""
    address = urlsplit(URLS[name])
    try:
        socket.create_connection(
            (address.hostname, address.port or 0), timeout=HANG_TIMEOUT_SECONDS
        ).close()
    except OSError:
        return False
    return True


def needed(*names: str) -> dict[str, str]:
    """Return the servers' URLs; without them skip the test, or fail it under REQUIRE_SERVICES=1."""
    if missing := [name for name in names if not reachable(name)]:
        message = "; ".join(
            f"no {name} answers at {urlsplit(URLS[name]).hostname}: start one or set TEST_{name.upper()}_URL"
            for name in missing
        )
        absent(message)
    return {name: URLS[name] for name in names}


def absent(message: str) -> NoReturn:
    """Skip the test, or fail it under REQUIRE_SERVICES=1, because something is missing."""
    if os.environ.get("REQUIRE_SERVICES"):
        pytest.fail(message)
    pytest.skip(message)
