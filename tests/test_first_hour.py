"""The first hour of a team, as README.md describes it: its commands are run as they stand there.

On PostgreSQL if a server is there, otherwise on SQLite as on any new machine.
"""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import real_servers
from bakery import JOB_TIMEOUT_SECONDS, Bakery
from combinations import ROOT, TREE
from cruft_projects import commit, git, template_repository
from drills.waiting import HANG_TIMEOUT_SECONDS, wait_until
from test_update import link_environment

pytestmark = [pytest.mark.slow, pytest.mark.long]

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = 8000  # in README.md
RUN = "make run"


def blocks() -> list[list[str]]:
    """Return the commands of each block of the section."""
    _, _, rest = (ROOT / "README.md").read_text().partition("\n## The first hour\n")
    return [text.splitlines() for text in BLOCK.findall(rest.partition("\n## ")[0])]


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


class Terminal:
    """A shell that runs commands one by one, in the folder that `cd` has chosen."""

    def __init__(self, folder: Path, home: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.env = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PORT": str(port),
            "ARGS": "-q -m 'not slow and not process'",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@mail.example",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@mail.example",
        }

    def run(self, script: str) -> str:
        """Run a command, or several that share variables; return the output."""
        if script.startswith("cd "):
            self.folder = (self.folder / script.removeprefix("cd ")).resolve()
            return ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script.replace(f":{PORT}", f":{self.port}")],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=JOB_TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, f"$ {script}\n{done.stdout}"
        return done.stdout

    @contextmanager
    def running(self, command: str) -> Iterator[None]:
        """Run a command until the block ends, and wait until it accepts connections."""
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=self.folder, env=self.env, start_new_session=True
        )
        try:
            wait_until(self.is_served, "the service accepts connections")
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(HANG_TIMEOUT_SECONDS)

    def is_served(self) -> bool:
        """Return whether a process listens on the port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def test_the_commands_of_the_first_hour_do_what_the_readme_says(
    bakery: Bakery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    new_database: Callable[[str], str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    template = template_repository(bakery, tmp_path / "template")
    link_environment(template / ".venv", ".generator-ready")
    terminal = Terminal(template, tmp_path, free_port())
    if real_servers.reachable("postgresql"):
        terminal.env["DATABASE_URL"] = new_database("postgresql")
    begin, change, start, calls, later = blocks()
    generate, enter, *add_domains = begin

    terminal.run(generate)
    terminal.run(enter)
    project = terminal.folder
    link_environment(project / ".venv", ".ready")
    clone = project / ".venv" / "template"
    git(tmp_path, "clone", "--quiet", str(template), str(clone))
    link_environment(clone / ".venv", ".generator-ready")
    for command in [*add_domains, *change]:
        terminal.run(command)

    assert start[-1] == RUN
    terminal.run("\n".join(start[:-1]))
    with terminal.running(RUN):
        answers = terminal.run("\n".join(calls))
    assert '"number":"2026-1"' in answers
    assert answers.count('"status":"draft"') == 2  # the invoice, and the list

    switch_on, keep, *take_update = later
    terminal.run(switch_on)
    terminal.run(keep)
    page = template / TREE.name / "docs" / "updating.md"
    page.write_text(page.read_text().replace("# Updating", "# Updates"))
    commit(template)
    for command in take_update:
        terminal.run(command)

    assert (project / "docs" / "updating.md").read_text().startswith("# Updates")
    assert (project / "worker.py").exists()
    assert (project / "app" / "webhooks").is_dir()
    with terminal.running(RUN):
        assert '"number":"2026-1"' in terminal.run("\n".join([*calls[:3], calls[-1]]))
    assert not (project / "app" / "orders").exists()
    assert git(project, "status", "--porcelain") == ""
