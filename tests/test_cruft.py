"""A service stays linked to its template: created, checked, updated and changed later by cruft."""

import shutil
import subprocess
from pathlib import Path

import cruft
import pytest

from bakery import Bakery
from combinations import TREE, Answers, Value, choices, combinations, nearest

DEFAULTS: Answers = {name: values[0] for name, values in choices().items()}
CHANGES = [(name, value) for name, values in choices().items() for value in values[1:]]

# Begun first: a change is long work of git and Jinja in one process.
pytestmark = [pytest.mark.slow, pytest.mark.long]


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A Developer", "-c", "user.email=developer@example.com"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "A state")


@pytest.fixture(scope="module")
def repository(all_services: Bakery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commit the very template that the bakery generates from, to compare like with like."""
    folder = tmp_path_factory.mktemp("repository") / "template"
    shutil.copytree(all_services.template, folder)
    commit(folder)
    return folder


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # nobody's own cookiecutter or git settings


def create(repository: Path, output: Path, answers: Answers) -> Path:
    project: Path = cruft.create(str(repository), output, extra_context=dict(answers))
    commit(project)
    return project


def update(project: Path, **answers: Value) -> None:
    assert answers.keys() <= choices().keys()
    assert cruft.update(project, extra_context=answers)
    assert not list(project.rglob("*.rej"))
    commit(project)


def contents(project: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(project)): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(project).parts
        if path.name != ".cruft.json"
    }


def test_a_new_service_is_up_to_date_and_without_differences(
    repository: Path, tmp_path: Path
) -> None:
    project = create(repository, tmp_path, DEFAULTS)

    assert cruft.check(project)
    assert cruft.diff(project, exit_code=True)


@pytest.mark.parametrize("number", [0, -1])
def test_cruft_and_cookiecutter_write_the_same_files(
    repository: Path, tmp_path: Path, bakery: Bakery, number: int
) -> None:
    answers = nearest({name: values[number] for name, values in choices().items()})

    assert contents(create(repository, tmp_path, answers)) == contents(bakery.bake(answers))


def test_a_change_of_the_template_arrives_beside_the_owners_own(
    repository: Path, tmp_path: Path
) -> None:
    project = create(repository, tmp_path, DEFAULTS)
    (project / "app" / "own.py").write_text('"""The owner\'s own."""\n')
    commit(project)
    settings = repository / TREE.name / "app" / "settings.py"
    before = settings.read_text()
    settings.write_text(before + "\n# New in the template.\n")
    commit(repository)
    try:
        assert not cruft.check(project)
        update(project)
        assert cruft.check(project)
        assert "# New in the template." in (project / "app" / "settings.py").read_text()
        assert (project / "app" / "own.py").exists()
    finally:
        settings.write_text(before)
        commit(repository)


def with_what_it_needs(name: str, value: Value) -> Answers:
    """Change one answer of the defaults, and of the others only what it needs."""
    rows = (row for row in combinations() if row[name] == value)
    return max(rows, key=lambda row: len(row.items() & DEFAULTS.items()))


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_an_answer_changed_later_gives_the_service_it_would_have_given(
    repository: Path, tmp_path: Path, bakery: Bakery, name: str, value: Value
) -> None:
    after = with_what_it_needs(name, value)
    changed = dict(after.items() - DEFAULTS.items())
    project = create(repository, tmp_path, DEFAULTS)

    update(project, **changed)
    assert contents(project) == contents(bakery.bake(after))
    assert cruft.diff(project, exit_code=True)

    update(project, **{each: DEFAULTS[each] for each in changed})
    assert contents(project) == contents(bakery.bake(DEFAULTS))
    assert cruft.diff(project, exit_code=True)
