"""The template's own code, workflows and documents: linted by the tools that `make lint` runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import service

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
BIN = Path(sys.executable).parent


def passes(*command: str) -> None:
    """Run a tool of this environment; fail with its output if it fails."""
    tool = [str(BIN / command[0]), *command[1:]]
    done = subprocess.run(tool, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_templates_own_code_is_clean() -> None:
    passes("ruff", "check", ".")
    passes("ruff", "format", "--check", ".")


def test_the_templates_own_code_is_typed() -> None:
    passes("mypy")


def test_the_workflows_are_sound() -> None:
    passes("actionlint")
    passes("zizmor", "--offline", "--quiet", ".github")


def test_the_workflow_and_dependabot_files_follow_their_schemas() -> None:
    passes("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW))
    dependabot = str(ROOT / ".github" / "dependabot.yml")
    passes("check-jsonschema", "--builtin-schema", "vendor.dependabot", dependabot)


def test_every_action_is_pinned_by_its_full_hash_and_tells_its_tag() -> None:
    used = re.findall(r"uses: (.*)", WORKFLOW.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_the_gate_waits_for_every_other_job() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    gate = jobs.pop("all-green")
    assert gate["needs"] == list(jobs)
    assert gate["steps"][0]["run"] == f'test "$RESULTS" = "{" ".join("success" for _ in jobs)}"'


def test_the_shards_are_all_of_the_parts() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    shards = jobs["combinations"]["strategy"]["matrix"]["shard"]
    assert shards == [f"{i}/{len(shards)}" for i in range(1, len(shards) + 1)]


def test_make_alone_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: ([\w-]+)$", makefile, re.MULTILINE)
    # An outer make would have its flags obeyed by this one.
    outside = {name: each for name, each in os.environ.items() if not name.startswith("MAKE")}
    shown = subprocess.run(
        ["make"], cwd=ROOT, env=outside, capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[1] for line in shown.splitlines()] == targets


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [
        (["--no-input", "tracing=false"], []),
        (["--no-input", "traicng=false", "database=none"], ["traicng"]),
        (["--output-dir=x", "-f"], []),
    ],
)
def test_answers_to_unknown_questions_are_found(arguments: list[str], unknown: list[str]) -> None:
    assert service.unknown_answers(arguments) == unknown


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            "traicng=false",
            "Nothing was generated:\n  - There is no question named traicng: cookiecutter.json lists the questions.",
        ),
        (
            "database=oracle",
            "Nothing was generated:\n  - database is 'oracle': choose one of postgresql, mysql, sqlite, none.",
        ),
        (
            "tracing=maybe",
            "Nothing was generated:\n  - tracing is 'maybe': choose one of yes, no.",
        ),
        ("project_slug=flask", "Nothing was generated:\n  - project_slug 'flask'"),
    ],
)
def test_an_invalid_answer_ends_with_a_message_and_no_traceback(
    answer: str, sentence: str, tmp_path: Path
) -> None:
    command = [sys.executable, "tools/service.py", ".", "-o", str(tmp_path), "--no-input", answer]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={"HOME": str(tmp_path)}
    )
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "order-service").exists()
