"""The template as users run it, with cookiecutter itself."""

from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import pytest

import generation
from bakery import Bakery, spent
from checks import starts_cold
from combinations import choices, nearest

pytestmark = pytest.mark.slow


class Cookies(Protocol):
    """The fixture of pytest-cookies: it runs cookiecutter, and returns the exception of a failure."""

    def bake(self, extra_context: dict[str, str], template: str) -> SimpleNamespace: ...


def test_the_defaults_give_a_service_that_starts(
    cookies: Cookies, bakery: Bakery, capfd: pytest.CaptureFixture[str]
) -> None:
    result = cookies.bake({}, template=str(bakery.template))

    assert result.exception is None
    assert result.exit_code == 0
    assert result.project_path.name == "order-service"
    output = capfd.readouterr().out
    assert [line.split()[0] for line in output.split("Next:")[1].splitlines() if line] == [
        "cd",
        "make",
        "make",
    ]
    starts_cold(bakery, result.project_path)


def test_yes_and_no_can_be_spelled_in_several_ways(cookies: Cookies, bakery: Bakery) -> None:
    result = cookies.bake({"tracing": "n", "dockerfile": "false"}, template=str(bakery.template))

    assert not (result.project_path / "Dockerfile").exists()
    assert not (result.project_path / "app/core/observability/tracing.py").exists()
    assert (result.project_path / "app/core/observability/logs.py").exists()


def test_generating_over_a_service_again_changes_nothing(bakery: Bakery) -> None:
    answers = nearest({name: values[-1] for name, values in choices().items()})

    def contents(project: Path) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in project.rglob("*") if path.is_file()}

    once = contents(bakery.bake(answers))
    assert contents(bakery.bake(answers, overwrite=True)) == once


def test_the_hooks_stay_within_their_limit_of_time() -> None:
    # CPU seconds, because other tests run in parallel. These also slow it down, so only the ratio is
    # compared. `make bench` compares seconds.
    ours, theirs, files = generation.measure(spent)

    print(f"{ours:.2f} s for {files} files, {ours / theirs:.2f} times cookiecutter without hooks")
    assert ours <= generation.MAX_RATIO * theirs
