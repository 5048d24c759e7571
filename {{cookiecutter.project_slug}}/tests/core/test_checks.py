import threading

from app.core.checks import ReadinessChecks
from tests.waiting import HANG_TIMEOUT_SECONDS


def unreachable() -> None:
    raise ConnectionError


def test_each_probe_is_distinguished() -> None:
    checks = ReadinessChecks(HANG_TIMEOUT_SECONDS, {"ledger": unreachable, "mail": lambda: None})

    assert checks.run() == {"ledger": False, "mail": True}


def test_a_probe_that_hangs_is_not_started_again() -> None:
    started: list[int] = []
    released = threading.Event()

    def hang() -> None:
        started.append(1)
        released.wait(HANG_TIMEOUT_SECONDS)

    checks = ReadinessChecks(0.05, {"ledger": hang})

    assert [checks.run(), checks.run()] == [{"ledger": False}] * 2
    assert len(started) == 1
    released.set()
    checks.timeout_seconds = HANG_TIMEOUT_SECONDS
    assert checks.run() == {"ledger": True}
