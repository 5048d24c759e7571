"""What a whole run adds up to: counted from the tests' own results, never written by hand.

It names each failure when it happens. Delete it when pytest's own summary says as much.
"""

import re
import time
from collections.abc import Iterable
from math import inf

import pytest

from bakery import ONCE

# What a service's own tools say of a failure, inside the output of a check.
SAYS = re.compile(
    r"^(?:FAILED|ERROR|SUBFAILED)\b.*|^.*: error: .*|^[^ ]+\.py +\d+ +\d+ .*%.*", re.MULTILINE
)

COMBINATION = "::test_a_combination_passes_everything["
# CPU seconds that a runtime combination should cost on average, everything included.
AIM = 2.0
# And those that make a run fail. CPU seconds double on a machine that is busy with other things, so this
# is eight times what a combination costs (docs/proof.md): an accident, such as a cache of mypy that is
# never hit, which costs 20. What creeps in shows in the figure.
MOST = 10.0


class Summary:
    """What the reports of all tests, from all workers, add up to."""

    def __init__(self, most: float = MOST, terminal: pytest.TerminalReporter | None = None) -> None:
        self.most = most
        self.terminal = terminal
        self.started = time.monotonic()
        self.planned: set[str] = set()
        self.finished: set[str] = set()
        self.failed: set[str] = set()
        self.files = 0
        self.cpu: dict[str, float] = {}

    def plan(self, tests: Iterable[str]) -> None:
        """Take down which combinations are to be tested: one that never ran has not passed."""
        self.planned |= {test for test in tests if COMBINATION in test}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Take the plan from a worker: with xdist, only they collect."""
        self.plan(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down what a test says about itself, once, when all of it is over."""
        if not report.passed:
            self.failed.add(report.nodeid)
        if report.failed:
            self.name(report)
        if report.when == "teardown":
            self.finished.add(report.nodeid)
            found = dict(report.user_properties)
            self.files += int(str(found.get("files", 0)))
            cpu = found.get("cpu")
            for part, seconds in cpu.items() if isinstance(cpu, dict) else ():
                self.cpu[part] = self.cpu.get(part, 0.0) + seconds

    def name(self, report: pytest.TestReport) -> None:
        """Print a failure at once: a run takes an hour, and pytest tells the rest at its end."""
        if self.terminal:
            self.terminal.ensure_newline()
            for line in (f"FAILED {report.nodeid}", *(f"    {each}" for each in reasons(report))):
                self.terminal.write_line(line, red=True)
            self.terminal.flush()

    @property
    def mean_cpu(self) -> float:
        """Average the CPU seconds over the combinations."""
        spent = sum(seconds for part, seconds in self.cpu.items() if part != ONCE)
        return spent / max(len(self.planned & self.finished), 1)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Make a run fail in which the combinations have become too expensive."""
        if self.mean_cpu > self.most and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show what a combination costs, part by part."""
        if number := len(self.planned & self.finished):
            parts = ", ".join(
                f"{part} {cost / number:.2f}" for part, cost in self.cpu.items() if part != ONCE
            )
            limits = f"the aim is {AIM}, more than {self.most} would fail"
            terminalreporter.write_line(
                f"CPU seconds a combination: {self.mean_cpu:.2f} ({parts}); "
                f"{limits if self.most < inf else 'with all of its tests'}; "
                f"{self.cpu.get(ONCE, 0):.0f} once a run"
            )

    def closing_line(self) -> str:
        """Say how many combinations passed and how many distinct files were checked."""
        passed = self.planned & self.finished - self.failed
        minutes, seconds = divmod(round(time.monotonic() - self.started), 60)
        return (
            f"{len(passed)} of {len(self.planned)} runtime combinations passed, "
            f"{self.files} distinct files checked, in {minutes} min {seconds:02} s"
        )


def reasons(report: pytest.TestReport) -> list[str]:
    """Return the first line of why a test failed, and the first ones of what the tools in it said."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(crash.message if crash else report.longrepr).strip()
    return [message.partition("\n")[0], *SAYS.findall(message)[:3]]


def share(text: str) -> slice:
    """Read "2/4": every fourth test, from the second on; nothing means all of them."""
    if not text:
        return slice(None)
    number, _, shares = text.partition("/")
    if not (number.isdecimal() and shares.isdecimal() and 1 <= int(number) <= int(shares)):
        message = f"SHARD is {text!r}: write it as 1/4, 2/4 and so on"
        raise pytest.UsageError(message)
    return slice(int(number) - 1, None, int(shares))
