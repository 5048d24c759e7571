"""A pytest plugin that counts the attacks and prints the summary line of `make attacks`."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of attacks and of successful ones, from pytest's statistics.

    Each subtest is one attack, and so is a test without subtests.
    """
    stats = terminalreporter.stats
    # pytest counts failed subtests among the failed tests.
    failed = [each for each in stats.get("failed", []) if isinstance(each, pytest.SubtestReport)]
    tries = [*stats.get("subtests passed", []), *failed]
    with_tries = {report.nodeid for report in tries}
    tried = len(tries)
    got_in = len(failed) + len(stats.get("error", []))
    for outcome in ("passed", "failed"):
        alone = [each for each in stats.get(outcome, []) if each.nodeid not in with_tries]
        tried += len(alone)
        got_in += len(alone) * (outcome == "failed")
    terminalreporter.write_line(f"{tried} attacks tried, {got_in} let in.")
