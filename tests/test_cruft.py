"""A service stays linked to its template: created, checked, updated and changed later by cruft."""

from pathlib import Path

import cruft
import pytest

from bakery import Bakery
from combinations import TREE, Answers, Value, choices, nearest, runtime_answers
from cruft_projects import commit, contents, create, update

DEFAULTS: Answers = {name: values[0] for name, values in choices().items()}
# Other answers are changed in services with a database (test_living_services.py).
CHANGES = [
    (name, value)
    for name, values in choices().items()
    for value in values[1:]
    if name not in runtime_answers()
]

# Begun first: a change is long work of git and Jinja in one process.
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.usefixtures("at_home")]


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


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_an_answer_changed_later_gives_the_service_it_would_have_given(
    repository: Path, tmp_path: Path, bakery: Bakery, name: str, value: Value
) -> None:
    project = create(repository, tmp_path, DEFAULTS)

    update(project, **{name: value})
    assert contents(project) == contents(bakery.bake(DEFAULTS | {name: value}))
    assert cruft.diff(project, exit_code=True)

    update(project, **{name: DEFAULTS[name]})
    assert contents(project) == contents(bakery.bake(DEFAULTS))
    assert cruft.diff(project, exit_code=True)
