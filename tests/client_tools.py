"""Client generators and their environments, built once for all runs, in a folder of the cache.

These tools are no part of the environment: openapi-python-client needs an older typer than cruft does,
and those for TypeScript come from npm. Delete it when both can be pinned beside the other tools.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import real_servers

OURS = Path(__file__).with_name("clients")
CACHE = Path(__file__).parents[1] / ".cache" / "clients"
OLDEST_NODE = 20


def python() -> Path:
    """Return a Python that has openapi-python-client and what its clients need."""
    pins = OURS / "requirements.txt"
    return _made("python", pins, _install_python) / "bin" / "python"


def node_modules() -> Path:
    """Return the folder with the tools for TypeScript; skip the test where Node.js or npm is missing."""
    if not (shutil.which("node") and shutil.which("npm")):
        real_servers.absent(
            "no Node.js with npm is on the PATH: install both, such as Debian's packages"
        )
    version = _run(["node", "--version"], Path.cwd())
    if int(re.findall(r"\d+", version)[0]) < OLDEST_NODE:
        real_servers.absent(
            f"Node.js {OLDEST_NODE} or newer is needed, and {version.strip()} is here"
        )
    return _made("npm", OURS / "package.json", _install_node) / "node_modules"


def _install_python(folder: Path, pins: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    _run([uv, "venv", "--quiet", "--python", sys.executable, folder], CACHE)
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--require-hashes"]
    _run([*install, "--python", folder / "bin" / "python", "-r", pins], CACHE)


def _install_node(folder: Path, package: Path) -> None:
    folder.mkdir()
    shutil.copy2(package, folder)
    # No scripts of packages are run, and no lock is written, which would hold a registry's address.
    quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    _run(["npm", "install", *quiet], folder)


def _made(name: str, source: Path, install: Callable[[Path, Path], None]) -> Path:
    """Return the folder that is built from this file; one process builds it, the others wait."""
    content = source.read_bytes() + sys.version.encode()
    folder = CACHE / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = folder / ".ready"
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            install(folder, source)
            ready.touch()
    return folder


def _run(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        real_servers.absent(
            f"{Path(command[0]).name} could not be set up: {done.stdout}{done.stderr}"
        )
    return done.stdout


def run(command: list[str | Path], folder: Path, **env: str) -> str:
    """Run a tool; if it fails, raise an error with its whole output."""
    environ = {"HOME": str(folder), "PATH": os.environ["PATH"], **env}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
