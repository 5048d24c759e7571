"""The summary of a run, counted from the results of the tests; failures are printed immediately.

Delete it when pytest's own summary has the same content.
"""

import re
import time
from collections.abc import Iterable
from math import inf

import pytest

from bakery import ONCE

# Lines about failures in the output of a service's tools.
FAILURE_LINES = re.compile(
    r"^(?:FAILED|ERROR|SUBFAILED)\b.*|^.*: error: .*|^[^ ]+\.py +\d+ +\d+ .*%.*", re.MULTILINE
)

COMBINATION = "::test_a_combination_passes_everything["
CHANGE = "::test_an_answer_is_switched_on_and_off_in_a_living_service["
# The target for the mean CPU seconds of a runtime combination.
TARGET = 2.0
# The mean at which a run fails: seven times the usual cost (docs/proof.md), because CPU seconds double on
# a busy machine. It detects a defect such as an unused cache of mypy, which costs 20. The printed figure
# shows gradual increases.
MAX_MEAN = 10.0


class Summary:
    """The summary of the reports of all tests, from all workers."""

    def __init__(
        self, most: float = MAX_MEAN, terminal: pytest.TerminalReporter | None = None
    ) -> None:
        self.most = most
        self.terminal = terminal
        self.started = time.monotonic()
        self.planned: set[str] = set()
        self.changes: set[str] = set()
        self.finished: set[str] = set()
        self.failed: set[str] = set()
        self.files = 0
        self.cpu: dict[str, float] = {}

    def plan(self, tests: Iterable[str]) -> None:
        """Record the planned combinations and changed answers: one that did not run has not passed."""
        planned = set(tests)
        self.planned |= {test for test in planned if COMBINATION in test}
        self.changes |= {test for test in planned if CHANGE in test}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Record the plan of a worker: with xdist only workers collect tests."""
        self.plan(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the result of a test; its properties once, at teardown."""
        if not report.passed:
            self.failed.add(report.nodeid)
        if report.failed:
            self.print_failure(report)
        if report.when == "teardown":
            self.finished.add(report.nodeid)
            found = dict(report.user_properties)
            self.files += int(str(found.get("files", 0)))
            cpu = found.get("cpu")
            for part, seconds in cpu.items() if isinstance(cpu, dict) else ():
                self.cpu[part] = self.cpu.get(part, 0.0) + seconds

    def print_failure(self, report: pytest.TestReport) -> None:
        """Print a failure immediately: a run takes an hour, and pytest prints details at its end."""
        if self.terminal:
            self.terminal.ensure_newline()
            for line in (f"FAILED {report.nodeid}", *(f"    {each}" for each in reasons(report))):
                self.terminal.write_line(line, red=True)
            self.terminal.flush()

    @property
    def mean_cpu(self) -> float:
        """The mean CPU seconds of a combination."""
        spent = sum(seconds for part, seconds in self.cpu.items() if part != ONCE)
        return spent / max(len(self.planned & self.finished), 1)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Make the run fail if the mean CPU seconds exceed the limit."""
        if self.mean_cpu > self.most and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the changes of living services, and the mean CPU seconds of a combination, by part."""
        if self.changes:
            terminalreporter.write_line(self.living_line())
        if number := len(self.planned & self.finished):
            parts = ", ".join(
                f"{part} {cost / number:.2f}" for part, cost in self.cpu.items() if part != ONCE
            )
            limits = f"the target is {TARGET}, more than {self.most} would fail"
            terminalreporter.write_line(
                f"CPU seconds a combination: {self.mean_cpu:.2f} ({parts}); "
                f"{limits if self.most < inf else 'with all of its tests'}; "
                f"{self.cpu.get(ONCE, 0):.0f} once a run"
            )

    def living_line(self) -> str:
        """Format the number of answers that were switched on and off in living services."""
        passed = self.changes & self.finished - self.failed
        return f"{len(passed)} of {len(self.changes)} changes of an answer, on and off, passed in living services"

    def closing_line(self) -> str:
        """Format the number of passed combinations and of checked files."""
        passed = self.planned & self.finished - self.failed
        minutes, seconds = divmod(round(time.monotonic() - self.started), 60)
        return (
            f"{len(passed)} of {len(self.planned)} runtime combinations passed, "
            f"{self.files} distinct files checked, in {minutes} min {seconds:02} s"
        )


def reasons(report: pytest.TestReport) -> list[str]:
    """Return the first line of a failure's message, and the first lines about failures in its output."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(crash.message if crash else report.longrepr).strip()
    return [message.partition("\n")[0], *FAILURE_LINES.findall(message)[:3]]


def share(text: str) -> slice:
    """Parse SHARD: "2/4" is every fourth test from the second on; empty means all tests."""
    if not text:
        return slice(None)
    number, _, shares = text.partition("/")
    if not (number.isdecimal() and shares.isdecimal() and 1 <= int(number) <= int(shares)):
        message = f"SHARD is {text!r}: write it as 1/4, 2/4 and so on"
        raise pytest.UsageError(message)
    return slice(int(number) - 1, None, int(shares))
