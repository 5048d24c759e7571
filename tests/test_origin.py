"""`make service` records the template and its commit, so that the service can be updated."""

import json
import subprocess
import sys
from pathlib import Path

import cruft
import pytest

import origin
from bakery import Bakery
from combinations import TREE
from cruft_projects import commit, git, template_repository
from drills.waiting import HANG_TIMEOUT_SECONDS

pytestmark = pytest.mark.slow


@pytest.fixture
def template(bakery: Bakery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clone a repository of the template, as its users do."""
    monkeypatch.setenv("HOME", str(tmp_path))
    published = template_repository(bakery, tmp_path / "published")
    git(tmp_path, "clone", "--quiet", str(published), "clone")
    return tmp_path / "clone"


def make_service(template: Path, *arguments: str) -> str:
    """Run the command of `make service` in the clone; return its output."""
    command = [sys.executable, "tools/service.py", ".", "-o", "../made", "--no-input", *arguments]
    done = subprocess.run(
        command,
        cwd=template,
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_TIMEOUT_SECONDS,
    )
    return done.stdout


def test_a_new_service_is_linked_to_the_published_template(template: Path, tmp_path: Path) -> None:
    output = make_service(template, "tracing=no", "author=Zoë")

    project = tmp_path / "made" / "order-service"
    state = json.loads((project / ".cruft.json").read_text())
    assert state["template"] == str(tmp_path / "published")
    assert f"{state['template']}, commit {state['commit'][:12]}." in output
    assert "uncommitted" not in output
    assert "Created a git repository" in output
    assert cruft.check(project)
    assert cruft.diff(project, exit_code=True)

    commit(project)
    page = tmp_path / "published" / TREE.name / "docs" / "updating.md"
    page.write_text(page.read_text() + "\nNew in the template.\n")
    commit(tmp_path / "published")
    assert cruft.update(project)
    assert "New in the template." in (project / "docs" / "updating.md").read_text()


def test_changes_of_the_template_that_are_not_committed_are_mentioned(
    template: Path, tmp_path: Path
) -> None:
    (template / "notes.txt").write_text("Mine")
    git(template, "remote", "remove", "origin")
    git(tmp_path, "init", "--quiet")

    output = make_service(template)

    assert "The template has uncommitted changes" in output
    assert "Created a git repository" not in output
    state = json.loads((tmp_path / "made" / "order-service" / ".cruft.json").read_text())
    assert state["template"] == str(template)


def test_without_a_repository_nothing_is_recorded(template: Path, tmp_path: Path) -> None:
    (template / ".git").rename(tmp_path / "elsewhere")

    assert "its version was not recorded" in make_service(template)

    assert not (tmp_path / "made" / "order-service" / ".cruft.json").exists()


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://ann:secret@git.example/flask", "https://git.example/flask"),
        ("https://git.example:8443/flask", "https://git.example:8443/flask"),
        ("git@git.example:team/flask.git", "git@git.example:team/flask.git"),
        ("ssh://git@git.example/flask", "ssh://git@git.example/flask"),
        ("/srv/templates/flask", "/srv/templates/flask"),
    ],
)
def test_no_password_of_the_templates_address_is_recorded(url: str, recorded: str) -> None:
    assert origin.without_credentials(url) == recorded
