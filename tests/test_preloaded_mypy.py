"""mypy reports the same errors with preloaded libraries as without."""

import subprocess
import sys
from pathlib import Path

import pytest

import checks
from bakery import Bakery, FailedCheckError
from combinations import Answers, covering_set, holding_each_answer, ident

pytestmark = pytest.mark.slow


def plainly(bakery: Bakery, project: Path, *arguments: str) -> str:
    """Run mypy in a process of its own, with the cache that the checks use."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--no-sqlite-cache",
        "--cache-dir",
        str(bakery.cache),
    ]
    done = subprocess.run(
        [*command, *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    return f"{done.stdout}{done.stderr}"


def preloaded(bakery: Bakery, project: Path) -> str:
    """Run mypy as the checks do; return its output, with errors or without."""
    try:
        checks.typed(bakery, project)
    except FailedCheckError as failure:
        return str(failure)
    return ""


def errors(output: str) -> list[str]:
    """List the errors, sorted, because the order of modules varies."""
    return sorted(line for line in output.splitlines() if ": error: " in line)


@pytest.mark.parametrize("answers", holding_each_answer(), ids=ident)
def test_a_plain_run_afterwards_agrees_and_finds_nothing_stale(
    answers: Answers, bakery: Bakery
) -> None:
    project = bakery.bake(answers)
    found = preloaded(bakery, project)

    output = plainly(bakery, project, "--verbose")

    assert errors(output) == errors(found)
    assert "Loaded graph with" in output
    assert "Scheduling SCC" not in output


def test_the_libraries_are_known_beforehand(bakery: Bakery) -> None:
    bakery.warm_types()

    assert not bakery.unread_libraries


def test_what_another_service_imported_is_not_known(bakery: Bakery) -> None:
    project = bakery.bake(covering_set()[0] | {"tracing": False})
    module = project / "app" / "settings.py"
    # mypy treats each loaded module as an attribute of its package.
    module.write_text(f"{module.read_text()}\nimport opentelemetry\n\nopentelemetry.sdk.trace\n")

    found = errors(preloaded(bakery, project))

    assert any('has no attribute "trace"' in error for error in found), found
    assert found == errors(plainly(bakery, project))


def test_other_settings_are_obeyed(bakery: Bakery) -> None:
    project = bakery.bake(covering_set()[0])
    settings = project / "pyproject.toml"
    settings.write_text(
        settings.read_text().replace(
            "warn_unreachable = true", "warn_unreachable = true\ndisallow_any_expr = true"
        )
    )

    with pytest.raises(FailedCheckError, match="Expression type contains"):
        checks.typed(bakery, project)


def test_a_syntax_error_is_told(bakery: Bakery) -> None:
    project = bakery.bake(covering_set()[0])
    module = project / "app" / "settings.py"
    module.write_text(module.read_text() + "\n1 = 2\n")

    with pytest.raises(FailedCheckError, match=r"(?s)types ended with 2.*app/settings.py:"):
        checks.typed(bakery, project)
