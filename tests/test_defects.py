"""The checks detect defects: each is put into a copy of the template on purpose."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import checks
from bakery import Bakery, FailedCheckError
from combinations import TREE, choices

pytestmark = pytest.mark.slow

# The smallest service is enough to detect a defect.
SMALLEST = {name: False if False in values else "none" for name, values in choices().items()}


@pytest.fixture
def template(all_services: Bakery, tmp_path: Path) -> Path:
    return Path(shutil.copytree(all_services.template, tmp_path / "template"))


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def unlink_settings(tree: Path) -> None:
    (tree / "app" / "settings.py").unlink()


def leave_jinja(tree: Path) -> None:
    append(tree / "README.md", '\n{{ "{{" }} cookiecutter.tracing }}\n')


def leave_empty_file(tree: Path) -> None:
    (tree / "docs" / "empty.md").write_text("\n")


def leave_idle_module(tree: Path) -> None:
    (tree / "app" / "idle.py").write_text('"""Nothing but a docstring."""\n')


def leave_dead_module(tree: Path) -> None:
    (tree / "app" / "dead.py").write_text('"""Nobody imports this."""\n\nDEAD = True\n')


def break_link(tree: Path) -> None:
    append(tree / "README.md", "\nSee [the manual](docs/not-there.md).\n")


def break_lint(tree: Path) -> None:
    append(tree / "app" / "settings.py", "import os\n")


def break_format(tree: Path) -> None:
    append(tree / "app" / "settings.py", "\nSPACED  =  1\n")


def break_types(tree: Path) -> None:
    append(tree / "app" / "settings.py", '\nNUMBER: int = "one"\n')


def break_layers(tree: Path) -> None:
    append(tree / "app" / "core" / "errors.py", "\nfrom app import health\n\nassert health\n")


def import_a_higher_layer(tree: Path) -> None:
    append(tree / "app" / "core" / "errors.py", "\nfrom app.core import http\n\nassert http\n")


def create_a_cycle(tree: Path) -> None:
    append(
        tree / "app" / "core" / "http" / "text.py",
        "\nfrom app.core.http import cors\n\nassert cors\n",
    )
    append(
        tree / "app" / "core" / "http" / "cors.py",
        "\nfrom app.core.http import text\n\nassert text\n",
    )


def add_a_module_without_a_layer(tree: Path) -> None:
    (tree / "app" / "core" / "attic.py").write_text('"""Says nothing of its layer."""\n\nAGE = 1\n')
    append(tree / "app" / "settings.py", "\nfrom app.core import attic\n\nassert attic.AGE\n")


def break_test(tree: Path) -> None:
    (tree / "tests" / "test_broken.py").write_text(
        "def test_one_is_two() -> None:\n    assert 1 == 2\n"
    )


def import_undeclared(tree: Path) -> None:
    append(tree / "app" / "settings.py", "\nimport xdist\n\nassert xdist\n")


def import_development_tool(tree: Path) -> None:
    append(tree / "app" / "settings.py", "\nimport jsonschema_rs\n\nassert jsonschema_rs\n")


def forget_coverage(tree: Path) -> None:
    append(tree / "app" / "settings.py", "\n\ndef nobody_calls_this() -> int:\n    return 1\n")


def every_file_check(_workshop: Bakery, project: Path) -> None:
    checks.no_trace_of_jinja(project)
    checks.nothing_empty(project)
    checks.nothing_dead(project)
    checks.links_lead_somewhere(project)


@pytest.mark.parametrize(
    ("defect", "check", "message"),
    [
        (leave_jinja, every_file_check, "README.md: '{{' is left over"),
        (leave_empty_file, every_file_check, "docs/empty.md is empty"),
        (leave_idle_module, every_file_check, "app/idle.py is empty"),
        (leave_dead_module, every_file_check, "app/dead.py is imported by nothing"),
        (break_link, every_file_check, "README.md links to docs/not-there.md"),
        (break_lint, checks.linted_and_formatted, "F401"),
        (break_format, checks.linted_and_formatted, "ruff format"),
        (break_types, checks.typed, "Incompatible types in assignment"),
        (break_layers, checks.layered, "app.core.errors -> app.health"),
        (import_a_higher_layer, checks.layered, "app.core.errors -> app.core.http"),
        (create_a_cycle, checks.layered, "No cycles are allowed in app.core.http"),
        (add_a_module_without_a_layer, checks.layered, "attic"),
        (break_test, checks.passes_its_own_tests, "test_one_is_two"),
        (unlink_settings, checks.passes_its_own_tests, "No module named 'app.settings'"),
        (unlink_settings, checks.starts, "No module named 'app.settings'"),
        (unlink_settings, checks.starts_cold, "No module named 'app.settings'"),
        (import_undeclared, checks.passes_its_own_tests, "No module named 'xdist'"),
        (import_undeclared, checks.starts, "No module named 'xdist'"),
        (import_development_tool, checks.starts, "No module named 'jsonschema_rs'"),
        (import_development_tool, checks.starts_cold, "No module named 'jsonschema_rs'"),
        (forget_coverage, checks.covers_every_line_and_branch, "app/settings.py"),
    ],
)
def test_a_defect_is_found(
    bakery: Bakery,
    template: Path,
    defect: Callable[[Path], None],
    check: Callable[[Bakery, Path], None],
    message: str,
) -> None:
    defect(template / TREE.name)
    project = bakery.bake(SMALLEST, template)

    with pytest.raises(FailedCheckError) as failure:
        check(bakery, project)
    assert message in str(failure.value)


def test_a_module_of_an_answer_not_chosen_is_refused(bakery: Bakery) -> None:
    project = bakery.bake(SMALLEST)
    append(project / "app" / "settings.py", "\nimport opentelemetry\n\nassert opentelemetry\n")

    with pytest.raises(FailedCheckError, match="No module named 'opentelemetry'"):
        checks.starts(bakery, project)


def test_a_missing_file_makes_a_combination_fail(bakery: Bakery, template: Path) -> None:
    (template / TREE.name / "app" / "health" / "routes.py").unlink()
    project = bakery.bake(SMALLEST, template)

    with pytest.raises(FailedCheckError) as failure:
        checks.generated_right(bakery, project)
    for kind in ("types", "suite", "start"):
        assert f"{kind} ended with" in str(failure.value)


def test_a_hanging_job_is_ended(bakery: Bakery) -> None:
    project = bakery.bake(SMALLEST)
    append(project / "app" / "__init__.py", "\nimport time\n\ntime.sleep(60)\n")

    with pytest.raises(FailedCheckError, match="start ended with -14"):
        bakery.run(bakery.job("start", project, "requirements.txt", timeout=2))
