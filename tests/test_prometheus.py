"""What Prometheus itself says about the rules of generated services: `promtool` reads and runs them."""

import os
import shutil
from pathlib import Path

import pytest

import real_servers
from bakery import Bakery, FailedCheckError
from combinations import Answers, choices, ident, runtime_combinations, tree_files
from rendering import exists

OURS = [path for path in tree_files() if path.startswith("deploy/prometheus/")]


def left_out(answers: Answers) -> frozenset[str]:
    """Return the rules that a service does not have."""
    return frozenset(path for path in OURS if not exists(path, answers))


SETS = {left_out(answers): answers for answers in runtime_combinations()}
# Rules know nothing of other files, so the largest sets and the smallest one stand for all.
LARGEST = [SETS[least] for least in SETS if not any(other < least for other in SETS)]
SMALLEST = max((row for row in SETS.values() if row["metrics"]), key=lambda row: len(left_out(row)))
WITHOUT = next(row for row in SETS.values() if not row["metrics"])


def promtool() -> str:
    """Find promtool; skip the test, or fail it under REQUIRE_SERVICES=1, where there is none."""
    found = shutil.which("promtool")
    if not found:
        real_servers.absent("there is no promtool: install Debian's package prometheus")
    return str(found)


def holds(bakery: Bakery, project: Path) -> None:
    """Let promtool read the configuration and its rules, and run the tests of the rules."""
    folder = project / "deploy" / "prometheus"
    tests = sorted(map(str, folder.glob("tests/*.yml")))
    bakery.command([promtool(), "check", "config", "prometheus.yml"], folder)
    bakery.command([promtool(), "test", "rules", *tests], folder)


@pytest.mark.slow
@pytest.mark.parametrize("answers", [*LARGEST, SMALLEST], ids=ident)
def test_promtool_accepts_the_rules_and_they_pass_their_tests(
    answers: Answers, bakery: Bakery
) -> None:
    project = bakery.bake(answers)
    rules = [path.name for path in project.glob("deploy/prometheus/rules/*")]
    tests = [path.name for path in project.glob("deploy/prometheus/tests/*")]

    assert sorted(rules) == sorted(tests), "rules without a test"
    holds(bakery, project)


def test_without_metrics_there_is_nothing_for_prometheus(bakery: Bakery) -> None:
    assert not (bakery.bake(WITHOUT) / "deploy" / "prometheus").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"),
    [("> 14.4 * 0.001", "> 144 * 0.001"), ("sum by (job)", "sum by job"), ("[5m]", "[5 minutes]")],
)
def test_a_rule_that_is_wrong_is_found(right: str, wrong: str, bakery: Bakery) -> None:
    project = bakery.bake({name: values[0] for name, values in choices().items()})
    rules = project / "deploy" / "prometheus" / "rules" / "requests.yml"
    assert right in rules.read_text()
    rules.write_text(rules.read_text().replace(right, wrong))

    with pytest.raises(FailedCheckError):
        holds(bakery, project)


def test_without_promtool_the_test_is_skipped_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no promtool: install"):
        promtool()

    monkeypatch.setenv("REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="there is no promtool: install"):
        promtool()
