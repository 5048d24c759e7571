"""Generates services ("bakes" them, as pytest-cookies says) and runs jobs on them.

It reports the CPU seconds of each part. Delete it when generating and checking a service in plain
subprocesses is quick enough for every combination.
"""

import ast
import contextlib
import functools
import hashlib
import io
import json
import os
import resource
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from unittest import mock

from cookiecutter import generate, hooks
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter
from cookiecutter.utils import create_env_with_context
from jinja2 import Environment, FileSystemBytecodeCache

from combinations import TREE, Answers, copy_template, tree_files
from requirements import pins

FORKSERVER = Path(__file__).with_name("forkserver.py")
# The machinery's own imports; those of the services are read from the tree.
TOOLS = ["_pytest.assertion.rewrite", "coverage", "importlinter.cli", "mypy.main", "pytest"]
ONCE = "once"  # the part of the CPU seconds that no combination is to blame for
JOB_TIMEOUT_SECONDS = 3_600  # a whole suite on a busy machine takes minutes: only a hang takes this


class FailedCheckError(AssertionError):
    """A check of a generated service that did not pass, with the output of the check."""


@dataclass
class Meter:
    """The CPU seconds of each part of the work on one combination."""

    parts: dict[str, float] = field(default_factory=dict)

    def add(self, part: str, seconds: float) -> None:
        """Add seconds that another process has measured."""
        self.parts[part] = self.parts.get(part, 0.0) + seconds

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what this process and its finished children spend inside the block."""
        before = spent()
        try:
            yield
        finally:
            self.add(name, spent() - before)


def spent() -> float:
    """Sum the CPU seconds of this process and its finished children up to now."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def imported_by_the_tree() -> list[str]:
    """List the modules that the tree's Python files import, its own ones aside."""
    found: set[str] = set()
    for path in tree_files():
        if path.endswith(".py"):
            for node in ast.walk(ast.parse((TREE / path).read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module)
    return sorted(name for name in found if not (TREE / name.partition(".")[0]).is_dir())


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a job: of the developer's own variables only the PATH."""
    return {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(home),  # pytest cleans up after other runs there, and two at once collide
    } | more


def run_hook(script: str, folder: Path | str = ".") -> None:
    """Run a hook in this process, because starting two interpreters costs more than the hooks."""
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as stop:
            if stop.code:
                message = f"a hook ended with {stop.code}"
                raise FailedHookException(message) from stop


def date_by_content(project: Path) -> None:
    """Set the modification time of each Python file to a number derived from its content.

    Bytecode (pytest's with its rewritten asserts too) is kept by a file's path, date and size: so
    a file that comes out the same in the next combination is not compiled again, and one that
    comes out otherwise always is. mypy looks at the dates of stubs too.
    """
    for path in project.rglob("*.py*"):
        digest = hashlib.sha256(path.read_bytes()).digest()
        date = int.from_bytes(digest[:4]) >> 1
        os.utime(path, (date, date))


class ForkServer:
    """A warm interpreter in which jobs are run by forking (see forkserver.py)."""

    def __init__(self, python: str | Path, home: Path) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [python, "-P", FORKSERVER, *TOOLS, *imported_by_the_tree()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(home),
        )

    def run(self, job: dict[str, object], meter: Meter) -> str:
        """Run one job and return its output; raise with the output when it fails."""
        output = self.home / "output.txt"
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise TypeError
        print(json.dumps(job | {"output": str(output)}), file=stdin, flush=True)
        answer = json.loads(
            stdout.readline() or '{"status": "the warm interpreter died", "cpu": 0}'
        )
        meter.add(str(job.get("part", job["kind"])), answer["cpu"])
        text = output.read_text(errors="replace") if output.exists() else ""
        if answer["status"]:
            message = f"{job['kind']} ended with {answer['status']}:\n{text}"
            raise FailedCheckError(message)
        return text

    def close(self) -> None:
        """Stop the interpreter."""
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()


class Bakery:
    """Generates services into one folder, again and again, and runs jobs on them.

    One folder, so that mypy's cache stays warm: it is kept by path, and a combination then costs
    only the modules that differ from the one before.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.forkserver = ForkServer(sys.executable, self.home)
        self.meter = Meter()
        self.types_are_warm = False
        self.unread_libraries = ""
        self.clean: set[tuple[str, str, bytes]] = set()  # ruff's rules, a path, and its text
        self.template = copy_template(folder / "template")
        (compiled := folder / "compiled").mkdir()
        self.compiled = FileSystemBytecodeCache(str(compiled))
        self.compiled_names: dict[str, CodeType] = {}
        self.is_binary = functools.cache(
            generate.is_binary
        )  # the template's files stay as they are
        self.config = folder / "cookiecutter.yaml"
        self.config.write_text(f"replay_dir: {folder}\ncookiecutters_dir: {folder}\n")

    def bake(
        self, answers: Answers, template: Path | None = None, *, overwrite: bool = False
    ) -> Path:
        """Generate a service with cookiecutter itself, its hooks included."""
        output = self.folder / "services"
        if not overwrite:
            shutil.rmtree(output, ignore_errors=True)
        remembering = mock.patch.multiple(
            generate, create_env_with_context=self.jinja, is_binary=self.is_binary
        )
        here = mock.patch.object(hooks, "run_script", run_hook)
        with self.meter.part("generation"), remembering, here:
            made = cookiecutter(
                str(template or self.template),
                no_input=True,
                extra_context=dict(answers),
                output_dir=str(output),
                config_file=str(self.config),
                overwrite_if_exists=overwrite,
            )
            date_by_content(Path(made))
        return Path(made)

    def jinja(self, context: dict[str, object]) -> Environment:
        """Return cookiecutter's Jinja environment, with Jinja's bytecode cache: each template is compiled once a run."""
        env: Environment = create_env_with_context(context)
        env.bytecode_cache = self.compiled
        # Names of files are templates too, without a name of their own that a cache could use.
        compile_: Callable[..., CodeType] = env.compile
        known = self.compiled_names

        def compile_once(source: str, *named: str) -> CodeType:
            if named:
                return compile_(source, *named)
            if source not in known:
                known[source] = compile_(source)
            return known[source]

        env.compile = compile_once  # type: ignore[method-assign, assignment]  # Jinja calls it in these two ways only
        return env

    def job(
        self,
        kind: str,
        project: Path,
        declared: str | None = None,
        env: dict[str, str] | None = None,
        **more: object,
    ) -> dict[str, object]:
        """Return a job, which can import only what the file `declared` pins."""
        return {
            "kind": kind,
            "folder": str(project),
            "declared": list(pins(project / declared)) if declared else None,
            "env": environment(self.home) | (env or {}),
            "timeout": JOB_TIMEOUT_SECONDS,
            "cache": str(self.cache),
            "bytecode": str(self.folder / "bytecode"),
        } | more

    def run(self, job: dict[str, object]) -> str:
        """Run a job in a process forked from the warm interpreter."""
        return self.forkserver.run(job, self.meter)

    def warm_types(self) -> None:
        """Let mypy read the libraries once, with the tree: a cost of the run, not of a combination."""
        if not self.types_are_warm:
            self.types_are_warm = True
            job = self.job("types", self.template / TREE.name, part=ONCE)
            with contextlib.suppress(FailedCheckError):  # the tree has a test of its own
                self.run(job)
            try:
                self.run(job | {"kind": "libraries"})
            except FailedCheckError as unread:  # slower, and as correct
                self.unread_libraries = str(unread)

    def run_cold(self, job: dict[str, object]) -> str:
        """Run a job in an interpreter that has imported nothing yet."""
        arguments = [sys.executable, "-P", str(FORKSERVER), "--once", json.dumps(job)]
        with self.meter.part(f"cold {job['kind']}"):
            return self.command(arguments, Path(str(job["folder"])))

    def command(self, arguments: list[str], folder: Path) -> str:
        """Run a command in a folder; raise with its output when it fails."""
        done = subprocess.run(
            arguments,
            cwd=folder,
            env=environment(self.home, RUFF_CACHE_DIR=str(self.cache.parent / "ruff")),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = f"{' '.join(arguments[:3])} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            raise FailedCheckError(message)
        return done.stdout
