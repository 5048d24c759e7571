"""The closing line of `make attacks`: a plugin of pytest that counts the tries."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many attacks were tried and how many got in, by pytest's own counts.

    A subtest is one try; so is a test that has none.
    """
    stats = terminalreporter.stats
    with_tries = {
        report.nodeid
        for outcome in ("subtests passed", "subtests failed")
        for report in stats.get(outcome, [])
    }
    tried = sum(len(stats.get(outcome, [])) for outcome in ("subtests passed", "subtests failed"))
    got_in = len(stats.get("subtests failed", [])) + len(stats.get("error", []))
    for outcome in ("passed", "failed"):
        alone = [each for each in stats.get(outcome, []) if each.nodeid not in with_tries]
        tried += len(alone)
        got_in += len(alone) * (outcome == "failed")
    terminalreporter.write_line(f"{tried} attacks tried, {got_in} let in.")
