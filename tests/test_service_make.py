"""The make targets of a generated service, without installing anything."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import Environment

ROOT = Path(__file__).parents[1]
TREE = ROOT / "{{cookiecutter.project_slug}}"
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text())


def make(folder: Path, *arguments: str) -> str:
    """Run make with this Python's environment in place of `.venv`."""
    command = ["make", "--no-print-directory", *arguments, f"VENV={sys.prefix}"]
    environment = {name: each for name, each in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def render(folder: Path, **answers: object) -> Path:
    """Render the Makefile and what it reads."""
    jinja = Environment(**QUESTIONS["_jinja2_env_vars"], autoescape=False)  # noqa: S701  not HTML
    for name in ("Makefile", ".env.example"):
        template = jinja.from_string((TREE / name).read_text())
        (folder / name).write_text(template.render(cookiecutter={**QUESTIONS, **answers}))
    return folder


def targets(folder: Path) -> list[str]:
    return re.findall(r"^\.PHONY: ([\w-]+)$", (folder / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("database", "auth"), [("postgresql", "jwt"), ("none", "none")])
def test_make_alone_names_every_target(tmp_path: Path, database: str, auth: str) -> None:
    render(tmp_path, database=database, auth=auth)
    assert [line.split()[1] for line in make(tmp_path).splitlines()] == targets(tmp_path)


def test_without_a_database_there_is_nothing_to_migrate(tmp_path: Path) -> None:
    render(tmp_path, database="none")
    assert not {"migrate", "migration"} & set(targets(tmp_path))
    assert "db upgrade" not in (tmp_path / "Makefile").read_text()


def test_an_administrator_is_made_in_a_database_with_its_tables(tmp_path: Path) -> None:
    render(tmp_path, database="sqlite", auth="jwt")
    for name in ("requirements.txt", "requirements-dev.txt", "ready"):
        (tmp_path / name).touch()
    commands = make(tmp_path, "--dry-run", "admin", "email=you@example.com", "READY=ready")
    assert 0 < commands.index("db upgrade") < commands.index('create-admin "you@example.com"')
    render(tmp_path, database="sqlite", auth="oidc")
    assert "admin" not in targets(tmp_path)


def test_with_a_database_the_service_migrates_before_it_starts(tmp_path: Path) -> None:
    render(tmp_path, database="sqlite")
    for name in ("requirements.txt", "requirements-dev.txt", "ready"):
        (tmp_path / name).touch()
    commands = make(tmp_path, "--dry-run", "run", "READY=ready")
    assert 0 < commands.index("db upgrade") < commands.index("run --debug")


def test_the_settings_file_is_made_once_with_a_secret_of_its_own(tmp_path: Path) -> None:
    settings = render(tmp_path) / ".env"
    make(tmp_path, ".env")
    first = settings.read_text()
    assert re.search(r"^SECRET_KEY=[0-9a-f]{64}$", first, re.MULTILINE)
    assert settings.stat().st_mode & 0o077 == 0, "others can read the secret"
    settings.unlink()
    make(tmp_path, ".env")
    assert settings.read_text() != first, "two services share a secret"

    settings.write_text("MINE=1\n")
    make(tmp_path, ".env")
    assert settings.read_text() == "MINE=1\n"


AUDITS = {
    # what pip-audit does: the exit code of `make audit`, and what it says
    "exit 0": (0, "No known flaw in what is pinned."),
    "echo a flaw >$out; exit 1": (2, "Known flaws in what is pinned"),
    "echo no answer >&2; exit 1": (2, "Not verified"),
}


@pytest.mark.parametrize("does", AUDITS)
def test_an_audit_passes_only_when_each_package_was_looked_up(tmp_path: Path, does: str) -> None:
    code, said = AUDITS[does]

    done = audit(render(tmp_path), does)

    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_an_audit_without_a_network_says_that_it_did_not_look(tmp_path: Path) -> None:
    done = audit(render(tmp_path), "exit 1", "OFFLINE=1")

    assert done.returncode == 0
    assert "Not verified" in done.stdout
    assert "No known flaw" not in done.stdout


def audit(folder: Path, does: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `make audit` with stand-ins for its tools."""
    tools = {
        "bandit": "exit 0",
        "pip-audit": f'while test "$1" != --output; do shift; done; out=$2; {does}',
    }
    (folder / "venv" / "bin").mkdir(parents=True)
    for name, script in tools.items():
        tool = folder / "venv" / "bin" / name
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-audit.txt"):
        (folder / name).touch()
    for name in (".ready", ".audit-ready"):
        (folder / "venv" / name).touch()
    command = ["make", "--no-print-directory", "audit", "VENV=venv", *arguments]
    environment = {name: each for name, each in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
