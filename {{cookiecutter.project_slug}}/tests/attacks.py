"""The closing line of `make attacks`: a plugin of pytest that counts the tries."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many attacks were tried and how many got in, by pytest's own counts.

    A subtest is one try; so is a test that has none.
    """
    stats = terminalreporter.stats
    # pytest counts a subtest that fails among the tests that do.
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
