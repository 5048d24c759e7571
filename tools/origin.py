"""The origin of a service: the template and its commit, in the file that cruft reads.

`make service` writes it, so that `cruft update` works from the first day.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]


def git(folder: Path, *arguments: str) -> str | None:
    """Return the output of a git command, without the last line break; None if it fails or git is missing."""
    if shutil.which("git") is None:
        return None
    # Variables such as GIT_DIR, which a hook of git sets, would select another repository.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(  # noqa: S603 - the arguments are those below
        ["git", *arguments],  # noqa: S607 - the user's git
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def without_credentials(url: str) -> str:
    """Return a URL without a user and password: each service stores it."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def template() -> tuple[str, str] | None:
    """Return the address of this template and its commit; None outside a git repository."""
    if git(ROOT, "rev-parse", "--show-toplevel") != str(ROOT):
        return None
    commit = git(ROOT, "rev-parse", "HEAD")
    address = git(ROOT, "remote", "get-url", "origin")
    return (without_credentials(address) if address else str(ROOT), commit) if commit else None


def record(project: Path, answers: dict[str, Any]) -> str:
    """Write the origin into a new service, create its git repository, and return what was done.

    Without git, or outside a repository of the template, nothing is written.
    """
    found = template()
    if found is None:
        return (
            "The template is not in a git repository, so its version was not recorded for updates."
        )
    address, commit = found
    state = {
        "template": address,
        "commit": commit,
        "checkout": None,
        "context": {"cookiecutter": {**answers, "_template": address, "_commit": commit}},
        "directory": None,
    }
    (project / ".cruft.json").write_text(json.dumps(state, indent=2, ensure_ascii=False) + "\n")
    lines = [f"Recorded in .cruft.json: {address}, commit {commit[:12]}."]
    if git(ROOT, "status", "--porcelain"):
        lines.append("The template has uncommitted changes, which this commit does not contain.")
    if git(project, "rev-parse", "--is-inside-work-tree") is None:
        git(project, "init", "--quiet")
        lines.append("Created a git repository; nothing is committed yet.")
    return "\n".join(lines)
