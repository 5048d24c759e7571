"""`make update`, `make features` and `make undo-update` of a service, by its own Makefile."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from bakery import Bakery
from combinations import TREE, Answers, choices, nearest
from cruft_projects import commit, create, git, template_repository
from drills.waiting import HANG_TIMEOUT_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.long]

ANSWERS: Answers = nearest(
    {name: "none" if "none" in values else False for name, values in choices().items()}
    | {"database": "sqlite"}
)
PAGE = "docs/updating.md"


def link_environment(folder: Path, ready: str) -> None:
    """Give a project an environment that is already installed: that of these tests."""
    folder.mkdir(parents=True)
    for part in ("bin", "lib", "pyvenv.cfg"):
        (folder / part).symlink_to(Path(sys.prefix) / part)
    (folder / ready).touch()
    tomorrow = time.time() + 86_400  # newer than the requirements of any later version
    os.utime(folder / ready, (tomorrow, tomorrow))


class Owner:
    """The owner of a service, at a shell in its folder."""

    def __init__(self, template: Path, project: Path, home: Path) -> None:
        self.template = template
        self.project = project
        self.home = home

    def make(self, *arguments: str, status: int = 0) -> str:
        """Run make with one file of tests; return its output."""
        done = subprocess.run(
            ["make", *arguments],
            cwd=self.project,
            env={
                "HOME": str(self.home),
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
                "ARGS": "-q tests/test_migrations.py",
                "GIT_AUTHOR_NAME": "Ada",
                "GIT_AUTHOR_EMAIL": "ada@mail.example",
                "GIT_COMMITTER_NAME": "Ada",
                "GIT_COMMITTER_EMAIL": "ada@mail.example",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=HANG_TIMEOUT_SECONDS,
        )
        assert (done.returncode != 0) == (status != 0), done.stdout
        return done.stdout

    def publish(self, old: str, new: str, path: str = PAGE) -> None:
        """Publish a version of the template in which a text is replaced."""
        file = self.template / TREE.name / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        commit(self.template)

    def tables(self) -> set[str]:
        """List the tables of the development database."""
        with closing(sqlite3.connect(self.project / "instance" / "development.db")) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in rows}

    def changed(self) -> str:
        """Return the output of `git status`."""
        return git(self.project, "status", "--porcelain")


def owner_of(answers: Answers, bakery: Bakery, folder: Path) -> Owner:
    """Generate a service in a folder, with a clone of its template and installed environments."""
    template = template_repository(bakery, folder / "template")
    project = create(template, folder / "made", answers)
    link_environment(project / ".venv", ".ready")
    clone = project / ".venv" / "template"
    git(folder, "clone", "--quiet", str(template), str(clone))
    link_environment(clone / ".venv", ".generator-ready")
    return Owner(template, project, folder)


@pytest.fixture
def owner(bakery: Bakery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    monkeypatch.setenv("HOME", str(tmp_path))
    return owner_of(ANSWERS, bakery, tmp_path)


def test_a_service_is_updated_changed_and_restored(owner: Owner) -> None:
    owner.publish("# Updating", "# Updates")

    output = owner.make("update", "YES=1")

    assert "all tests passed." in output
    assert (owner.project / PAGE).read_text().startswith("# Updates")
    assert "Nothing was changed: There are uncommitted" not in output
    assert owner.changed().split() == ["M", ".cruft.json", "M", PAGE]

    commit(owner.project)
    assert "Nothing was changed." in owner.make("update", "YES=1", status=1)
    assert "  webhooks          no           or yes\n" in owner.make("features")

    author = "Ada & Co; tracing=yes"
    output = owner.make("features", "webhooks=yes", f"author={author}", "YES=1")

    answers = json.loads((owner.project / ".cruft.json").read_text())["context"]["cookiecutter"]
    assert (answers["author"], answers["webhooks"], answers["tracing"]) == (author, True, False)
    assert "Read the new migration: migrations/versions/" in output
    assert "webhook_deliveries" in owner.tables()
    assert (owner.project / "app" / "webhooks").exists()
    assert "  webhooks          yes          or no\n" in owner.make("features")
    assert "uncommitted changes" in owner.make("features", "tracing=yes", "YES=1", status=1)

    owner.make("undo-update")

    assert "webhook_deliveries" not in owner.tables()
    assert owner.changed() == ""
    assert "no update that is not committed" in owner.make("undo-update", status=1)


def test_a_conflict_is_explained_and_can_be_undone(owner: Owner) -> None:
    page = owner.project / PAGE
    page.write_text(page.read_text().replace("# Updating", "# How we update"))
    commit(owner.project)
    owner.publish("# Updating", "# Updates")

    output = owner.make("update", "YES=1", status=1)

    assert f"These files have conflicts:\n  - {PAGE}\n" in output
    owner.make("undo-update")
    assert page.read_text().startswith("# How we update")
    assert owner.changed() == ""


def test_what_cannot_be_done_is_refused_with_all_reasons(owner: Owner) -> None:
    refused = {
        "colour=red": "There is no question named colour",
        "tracing=perhaps": "tracing is 'perhaps': choose one of yes, no",
        "auth=jwt database=none": "auth=jwt needs database",
    }
    for arguments, sentence in refused.items():
        output = owner.make("features", *arguments.split(), "YES=1", status=1)
        assert sentence in output
        assert "Nothing was changed:" in output
    assert owner.changed() == ""

    (owner.project / ".cruft.json").unlink()
    assert "cruft link" in owner.make("features", status=1)
