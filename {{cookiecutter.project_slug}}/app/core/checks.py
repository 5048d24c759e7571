"""What this process depends on, asked with a time limit: the readiness probe's list."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import cast

from flask import Flask

Probe = Callable[[], None]
"""Asks one dependency; raises when it is away."""


@dataclass(slots=True)
class Checks:
    """The dependencies of one application, by name."""

    seconds: float = 2.0
    """How long they may take together."""
    probes: dict[str, Probe] = field(default_factory=dict)
    _running: dict[str, Future[None]] = field(default_factory=dict)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(thread_name_prefix="check")
    )

    def run(self) -> dict[str, bool]:
        """Ask every dependency at once; whoever has not answered in time is down."""
        for name, probe in self.probes.items():
            # A probe that still hangs from last time is not asked again: it would only pile up.
            if name not in self._running or self._running[name].done():
                self._running[name] = self._threads.submit(probe)
        wait(self._running.values(), timeout=self.seconds)
        return {
            name: asked.done() and asked.exception() is None
            for name, asked in self._running.items()
        }


def of(app: Flask) -> Checks:
    """Return the checks of this application; features add their probe here."""
    return cast("Checks", app.extensions.setdefault("checks", Checks()))
