"""The readiness checks: the dependencies of this process, probed with a time limit."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from flask import Flask

from app.core.extension import Extension

Probe = Callable[[], None]
"""Checks one dependency; raises an exception when it is unavailable."""


@dataclass(slots=True)
class ReadinessChecks:
    """The probes of an application's dependencies, by name."""

    timeout_seconds: float = 2.0
    """The time limit for all probes together."""
    probes: dict[str, Probe] = field(default_factory=dict)
    _running: dict[str, Future[None]] = field(default_factory=dict)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(thread_name_prefix="check")
    )

    def run(self) -> dict[str, bool]:
        """Run all probes at once; return for each whether it succeeded in time."""
        for name, probe in self.probes.items():
            # A probe that is still running from last time is not started again: they would pile up.
            if name not in self._running or self._running[name].done():
                self._running[name] = self._threads.submit(probe)
        wait(self._running.values(), timeout=self.timeout_seconds)
        return {
            name: future.done() and future.exception() is None
            for name, future in self._running.items()
        }


readiness_checks = Extension[ReadinessChecks]("readiness_checks")
"""Features add their probes to it."""


def init_app(app: Flask) -> None:
    """Give the application an empty list of checks."""
    readiness_checks.set(app, ReadinessChecks())
