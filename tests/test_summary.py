"""The closing line and the shards of a run."""

import subprocess
import sys
from math import inf
from pathlib import Path

import pytest

from bakery import ONCE
from combinations import ROOT
from summary import CHANGE, COMBINATION, MAX_MEAN, Summary, share

NAMES = [f"tests/test_combinations.py{COMBINATION}{name}]" for name in "abc"]


def report(name: str, outcome: str = "passed", **properties: object) -> list[pytest.TestReport]:
    outcomes = {"setup": "passed", "call": outcome, "teardown": "passed"}
    return [
        pytest.TestReport(
            name,
            ("", 0, ""),
            {},
            result,  # type: ignore[arg-type]  # pytest expects a literal type
            None,
            phase,  # type: ignore[arg-type]
            user_properties=list(properties.items()),
        )
        for phase, result in outcomes.items()
    ]


def summary(*reports: list[pytest.TestReport]) -> Summary:
    made = Summary()
    made.plan([*NAMES, "tests/test_hooks.py::test_other"])
    for each in (each for some in reports for each in some):
        made.pytest_runtest_logreport(each)
    return made


def test_the_closing_line_counts_combinations_and_files() -> None:
    some = summary(*map(report, NAMES), report("a file", files=3), report("another file", files=4))

    assert some.closing_line().startswith(
        "3 of 3 runtime combinations passed, 7 distinct files checked, in 0 min 0"
    )


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
def test_a_combination_that_did_not_pass_is_not_counted_as_passed(outcome: str) -> None:
    some = summary(report(NAMES[0]), report(NAMES[1], outcome), report(NAMES[2]))

    assert some.closing_line().startswith("2 of 3 ")


def test_a_combination_that_never_ran_is_not_counted_as_passed() -> None:
    assert summary(report(NAMES[0])).closing_line().startswith("1 of 3 ")


def test_changes_of_living_services_are_counted() -> None:
    names = [f"tests/test_living_services.py{CHANGE}{name}]" for name in "abc"]
    some = summary(report(names[0]), report(names[1], "failed"))
    some.plan(names)

    assert some.living_line().startswith("1 of 3 changes of an answer")
    assert some.closing_line().startswith("0 of 3 runtime combinations")


def test_what_is_paid_once_is_no_cost_of_a_combination() -> None:
    cpu = [{"suite": 1.0, "types": 0.5}, {"suite": 2.0, ONCE: 20.0}]
    some = summary(report(NAMES[0], cpu=cpu[0]), report(NAMES[1], cpu=cpu[1]))

    assert some.mean_cpu == (1.0 + 0.5 + 2.0) / 2


@pytest.mark.parametrize(("more", "status"), [(-0.1, 0), (0.1, 1)])
def test_a_run_in_which_combinations_cost_too_much_fails(more: float, status: int) -> None:
    class Session:
        exitstatus = 0

    session = Session()
    dear, cheap = (
        report(name, cpu={"suite": MAX_MEAN + more + spread, ONCE: 100.0})
        for name, spread in zip(NAMES, (3, -3), strict=False)
    )
    summary(dear, cheap).pytest_sessionfinish(session)  # type: ignore[arg-type]  # all it needs
    assert session.exitstatus == status


def test_a_run_without_a_limit_may_cost_anything() -> None:
    class Session:
        exitstatus = 0

    some = Summary(inf)
    some.plan(NAMES)
    for each in report(NAMES[0], cpu={"suite": 100 * MAX_MEAN}):
        some.pytest_runtest_logreport(each)

    session = Session()
    some.pytest_sessionfinish(session)  # type: ignore[arg-type]  # all it needs
    assert session.exitstatus == 0


@pytest.mark.parametrize("shares", [1, 2, 3, 7])
def test_the_shards_together_hold_every_test_once(shares: int) -> None:
    tests = list(range(20))
    parts = [tests[share(f"{number}/{shares}")] for number in range(1, shares + 1)]

    assert sorted(test for part in parts for test in part) == tests


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_shard_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(pytest.UsageError, match="write it as 1/4"):
        share(text)


def test_without_a_shard_every_test_is_kept() -> None:
    assert [1, 2, 3][share("")] == [1, 2, 3]


FAILING = """
import time
import pytest

@pytest.mark.parametrize("number", range(40))
def test_one(number):
    if number == 3:
        raise AssertionError("suite ended with 1:\\nFAILED tests/test_a.py::test_b - assert 1 == 2\\n")
    time.sleep(0.05)

@pytest.fixture
def broken():
    raise LookupError("no such table")

def test_two(broken): ...
"""
PLUGIN = """
import sys
import pytest
sys.path[:0] = {paths!r}
from summary import Summary

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Summary(terminal=config.pluginmanager.get_plugin("terminalreporter")))
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_a_failure_is_named_when_it_happens(workers: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(FAILING)
    paths = [str(ROOT / name) for name in ("tests", "hooks", "")]
    (tmp_path / "conftest.py").write_text(PLUGIN.format(paths=paths))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *workers, str(tmp_path)]

    output = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False
    ).stdout

    during, _, afterwards = output.partition("= FAILURES =")
    during = during.partition("= ERRORS =")[0]
    assert "FAILED test_some.py::test_one[3]\n    AssertionError: suite ended with 1:\n" in during
    assert "    FAILED tests/test_a.py::test_b - assert 1 == 2\n" in during
    assert "FAILED test_some.py::test_two\n    LookupError: no such table\n" in during
    assert during.index("test_one[3]") < during.rindex("%]"), "not before the run was over"
    assert "1 failed, 39 passed, 1 error" in afterwards
