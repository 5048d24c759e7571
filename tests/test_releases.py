"""A living service of each release takes the update to the next one, the last one to the state under test.

A release is the commit that sets its version in pyproject.toml, from 1.0.0 on. Without the history, as in a clone of
one commit, there is nothing to compare.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from bakery import Bakery
from combinations import ROOT
from cruft_projects import commit, contents, git, update_to
from test_living_services import LARGEST, OWN_FILES, Owner, closest, migrations

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.usefixtures("at_home")]


def releases() -> list[str]:
    """List the commits of the releases in the history of this checkout, oldest first."""
    changed = ["--format=%H", "--reverse", "-G^version = ", "--", "pyproject.toml"]
    try:
        commits = git(ROOT, "log", *changed).split()
        texts = {each: git(ROOT, "show", f"{each}:pyproject.toml") for each in commits}
    except subprocess.CalledProcessError:  # no repository
        return []
    return [each for each, text in texts.items() if '\nversion = "0.' not in text]


RELEASES = releases()
STEPS = [*zip(RELEASES, [*RELEASES[1:], None], strict=True)]


@pytest.fixture(scope="module")
def history(all_services: Bakery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with the history of the template and, on top, the state under test."""
    clone = tmp_path_factory.mktemp("history") / "template"
    git(ROOT, "clone", "--quiet", "--no-tags", str(ROOT), str(clone))
    for path in clone.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(all_services.template, clone, dirs_exist_ok=True)
    commit(clone)
    return clone


@pytest.mark.skipif(not RELEASES, reason="no release in the history of this checkout")
@pytest.mark.parametrize(("release", "following"), STEPS, ids=str)
def test_a_living_service_of_a_release_takes_the_update_to_the_next_one(
    release: str, following: str | None, history: Path, tmp_path: Path, bakery: Bakery
) -> None:
    owner = Owner(bakery, history, tmp_path, f"sqlite:///{tmp_path}/service.db")
    owner.start(closest(LARGEST, database="sqlite"), with_table=True, checkout=release)
    had = migrations(owner.project)

    update_to(owner.project, following or git(history, "rev-parse", "HEAD").strip())

    assert migrations(owner.project) == had
    if not following:
        fresh = bakery.bake(owner.answers)
        assert contents(owner.project, *OWN_FILES) == contents(fresh, *OWN_FILES)
    owner.live()
    assert had.items() <= migrations(owner.project).items()
