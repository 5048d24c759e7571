"""Suites on every Python of this machine that services support.

Each Python tests each answer, in other rows of the covering set than the previous Python.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakery import Bakery, ForkServer
from checks import CHEAP
from combinations import ROOT, TREE, Answers, holding_each_answer, ident

VERSIONS = ["3.11", "3.12", "3.13", "3.14"]
OTHERS = [each for each in VERSIONS if each != f"{sys.version_info[0]}.{sys.version_info[1]}"]

pytestmark = pytest.mark.slow


def version_of(python: str | Path) -> str:
    """Return the version of a Python; empty if it does not run, as a pyenv shim may not."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def find(version: str) -> str | None:
    """Find a Python of this version: on the PATH, or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    built = sorted(pyenv.glob(f"{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    places = [each for each in (on_path, *map(str, built)) if each]
    return next((each for each in places if version_of(each) == version), None)


def environment_of(python: str) -> Path:
    """Make a virtual environment with all that the tree pins; kept until the pins change."""
    files = [TREE / "requirements.txt", TREE / "requirements-dev.txt"]
    pins = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = ROOT / ".cache" / "pythons" / f"{version_of(python)}-{pins}"
    inside = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:  # shared by the workers of a run
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            install(python, inside, files[-1])
            (folder / "ready").touch()
    return inside


def install(python: str, inside: Path, requirements: Path) -> None:
    """Install the unrendered requirements of a tree: markers are comments, so all features are included."""
    subprocess.run([python, "-m", "venv", "--clear", inside.parents[1]], check=True)
    # Few of the modules are imported, so compiling all of them would take longer.
    command: list[str | Path] = [inside, "-m", "pip", "install", "--quiet", "--no-compile"]
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--python", inside]
    subprocess.run([*command, "--require-hashes", "-r", requirements], check=True)


def cases() -> list[object]:
    """List which rows each other Python runs."""
    return [
        pytest.param(version, answers, id=f"{version}-{ident(answers)}")
        for turn, version in enumerate(OTHERS)
        for answers in holding_each_answer(turn * 4)
    ]


@pytest.fixture(scope="module")
def other(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ForkServer]:
    version: str = request.param
    python = find(version)
    if not python:
        pytest.skip(f"Python {version} is not on this machine")
    warm = ForkServer(environment_of(python), tmp_path_factory.mktemp("home"))
    yield warm
    warm.close()


@pytest.mark.long
@pytest.mark.parametrize(("other", "answers"), cases(), indirect=["other"])
def test_the_suite_passes_on_another_python(
    answers: Answers, other: ForkServer, bakery: Bakery
) -> None:
    project = bakery.bake(answers)

    job = bakery.job("suite", project, "requirements-dev.txt", arguments=["-m", CHEAP])
    other.run(job, bakery.meter)


def test_a_shim_that_runs_nothing_is_no_python(tmp_path: Path) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)

    assert not version_of(shim)
    assert version_of(sys.executable) == f"{sys.version_info[0]}.{sys.version_info[1]}"
