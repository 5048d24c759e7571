"""Options, shared fixtures, and the closing line, which is counted from the tests' own results."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workshop import ONCE, Meter, Workshop

MOST_CPU = 2.0  # seconds for each runtime combination, on average, everything included


class Tally:
    """What the reports of all tests, from all workers, add up to."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.combinations: dict[str, bool] = {}
        self.files = 0
        self.cpu: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down what a test says about itself, once, when all of it is over."""
        found = dict(report.user_properties)
        if name := found.get("combination"):
            self.combinations[str(name)] = self.combinations.get(str(name), True) and report.passed
        if report.when == "teardown":
            self.files += int(str(found.get("files", 0)))
            cpu = found.get("cpu")
            for part, seconds in cpu.items() if isinstance(cpu, dict) else ():
                self.cpu[part] = self.cpu.get(part, 0.0) + seconds

    @property
    def mean_cpu(self) -> float:
        """Average the CPU seconds over the combinations."""
        spent = sum(seconds for part, seconds in self.cpu.items() if part != ONCE)
        return spent / max(len(self.combinations), 1)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Make a run fail in which the combinations have become too expensive."""
        if self.mean_cpu > MOST_CPU and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show what a combination costs, part by part."""
        if number := len(self.combinations):
            parts = ", ".join(
                f"{part} {cost / number:.2f}" for part, cost in self.cpu.items() if part != ONCE
            )
            verdict = "more than" if self.mean_cpu > MOST_CPU else "at most"
            terminalreporter.write_line(
                f"CPU seconds a combination: {self.mean_cpu:.2f} ({parts}), "
                f"{verdict} the {MOST_CPU:.0f} that are allowed; {self.cpu.get(ONCE, 0):.0f} once a run"
            )

    def closing_line(self) -> str:
        """Say how many combinations passed and how many distinct files were checked."""
        passed, number = sum(self.combinations.values()), len(self.combinations)
        minutes, seconds = divmod(round(time.monotonic() - self.started), 60)
        return (
            f"{passed} of {number} runtime combinations passed, "
            f"{self.files} distinct files checked, in {minutes} min {seconds:02} s"
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make quick`."""
    parser.addoption(
        "--quick", action="store_true", help="the covering set and the cheap tests only"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and on the process that reports, the tally."""
    config.addinivalue_line("markers", "slow: left out by --quick")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Tally(), "tally")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one share of the tests with SHARD=i/n, and the quick ones with --quick."""
    kept = [item for item in items if not (config.option.quick and item.get_closest_marker("slow"))]
    share, _, shares = os.environ.get("SHARD", "").partition("/")
    if share:
        kept = kept[int(share) - 1 :: int(shares)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the closing line, after everything that pytest has to say."""
    tally = config.pluginmanager.get_plugin("tally")
    if tally and tally.combinations:
        print(tally.closing_line())


@pytest.fixture(scope="session")
def all_services(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Workshop]:
    """Open this worker's workshop, with a cache for mypy that lasts from run to run."""
    cache = Path(__file__).parents[1] / ".cache" / "mypy-services" / worker_id
    opened = Workshop(tmp_path_factory.mktemp("workshop"), cache)
    yield opened
    opened.warm.close()


@pytest.fixture
def workshop(all_services: Workshop) -> Workshop:
    """Lend the workshop to one test, with a meter of its own."""
    all_services.meter = Meter()
    return all_services
