"""Services that cruft creates and updates, each in a git repository of its own.

Delete it together with `test_cruft.py` and `test_living_services.py`.
"""

import shutil
import subprocess
from pathlib import Path

import cruft

from bakery import Bakery
from combinations import Answers, Value, choices

# The migrations of a service belong to it, as README.md says.
MIGRATIONS = "migrations/versions"


def git(folder: Path, *arguments: str) -> str:
    """Run git as a developer; return its output."""
    who = ["-c", "user.name=A Developer", "-c", "user.email=developer@example.com"]
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    """Commit everything in a folder, in a new repository if there is none."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "A state")


def template_repository(bakery: Bakery, folder: Path) -> Path:
    """Commit the very template that the bakery generates from, to compare like with like."""
    shutil.copytree(bakery.template, folder)
    commit(folder)
    return folder


def create(repository: Path, output: Path, answers: Answers, checkout: str | None = None) -> Path:
    """Generate a service, of the newest commit or of this one, and commit it."""
    project: Path = cruft.create(
        str(repository), output, checkout=checkout, extra_context=dict(answers)
    )
    commit(project)
    return project


def update(project: Path, **answers: Value) -> None:
    """Update a service, or change its answers, and commit it."""
    assert answers.keys() <= choices().keys()
    assert cruft.update(project, extra_context=answers)
    assert not list(project.rglob("*.rej"))
    commit(project)


def update_to(project: Path, checkout: str) -> None:
    """Update a service to this commit of the template, and commit it."""
    assert cruft.update(project, checkout=checkout)
    assert not list(project.rglob("*.rej"))
    commit(project)


def contents(project: Path, *left_out: str) -> dict[str, bytes]:
    """Read the files of a service but for its migrations and what else is left out."""
    paths = (path for path in project.rglob("*") if path.is_file())
    named = {str(path.relative_to(project)): path for path in paths}
    return {
        name: path.read_bytes()
        for name, path in named.items()
        if not name.startswith((".git/", ".cruft.json", MIGRATIONS, *left_out))
    }
