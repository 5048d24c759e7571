"""The public door: what anyone gets who runs cookiecutter on this template."""

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
    """What pytest-cookies gives: it generates as a user would, and keeps what went wrong."""

    def bake(self, extra_context: dict[str, str], template: str) -> SimpleNamespace: ...


def test_the_defaults_give_a_service_that_starts(
    cookies: Cookies, bakery: Bakery, capfd: pytest.CaptureFixture[str]
) -> None:
    result = cookies.bake({}, template=str(bakery.template))

    assert result.exception is None
    assert result.exit_code == 0
    assert result.project_path.name == "order-service"
    said = capfd.readouterr().out
    assert [line.split()[0] for line in said.split("Next:")[1].splitlines() if line] == [
        "cd",
        "make",
        "make",
    ]
    starts_cold(bakery, result.project_path)


def test_yes_and_no_can_be_answered_the_way_people_type(cookies: Cookies, bakery: Bakery) -> None:
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


def test_the_hooks_cost_as_little_as_promised() -> None:
    # CPU seconds, because other tests run beside this one; they grow with what runs beside it, too, so
    # only the ratio is compared. `make bench` compares seconds.
    ours, theirs, files = generation.measure(spent)

    print(f"{ours:.2f} s for {files} files, {ours / theirs:.2f} times cookiecutter without hooks")
    assert ours <= generation.MOST_RATIO * theirs
