"""A warm Python that runs jobs in forked children: imports are paid for once, not by each job.

It is started as `python -P forkserver.py MODULE...`, imports those modules, then reads jobs as lines of
JSON. Only the standard library is used, so that any Python of the machine can be the one.
`multiprocessing`'s fork server would do for our own interpreter, but not for another Python, and
`wait4` tells exactly what a child and its own children cost. Delete it when starting Python and importing the
libraries costs nothing beside the jobs.
"""

import contextlib
import gc
import importlib
import importlib.metadata
import importlib.util
import json
import os
import pkgutil
import re
import runpy
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

Job = dict[str, Any]
known: dict[str, Any] = {}  # what this process has read for all its forks


def plain(name: str) -> str:
    """Return the normalized name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def owners() -> dict[str, set[str]]:
    """Return the distributions that own each top-level module."""
    found = importlib.metadata.packages_distributions()
    return {module: set(map(plain, names)) for module, names in found.items()}


@cache
def installed() -> list[tuple[str, importlib.metadata.Distribution]]:
    """List what is installed, by name: each name is read from a file of its own, so only once."""
    return [(plain(each.metadata["Name"]), each) for each in importlib.metadata.distributions()]


def modules_outside(declared: Iterable[str]) -> set[str]:
    """List the top-level modules that belong to none of the declared distributions."""
    kept = set(map(plain, declared))
    outside = {module for module, names in owners().items() if not kept & names}
    return outside - sys.stdlib_module_names


class Undeclared(MetaPathFinder):
    """An import finder that refuses what the service did not declare, as if it were not installed."""

    def __init__(self, modules: set[str]) -> None:
        self.modules = modules

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise the error of a missing package."""
        if fullname.partition(".")[0] in self.modules:
            message = f"No module named {fullname!r}: no requirement of this combination brings it"
            raise ModuleNotFoundError(message, name=fullname)
        return None


def allow_only(declared: Iterable[str]) -> None:
    """Make this process look as if only these distributions were installed."""
    kept = set(map(plain, declared))
    outside = modules_outside(kept)
    for name in [name for name in sys.modules if name.partition(".")[0] in outside]:
        del sys.modules[name]
    sys.meta_path.insert(0, Undeclared(outside))
    everything = installed()  # before the door closes behind it

    # Entry points too: Flask loads the commands of every distribution that it sees.
    def discover_declared(
        *, name: str | None = None, **_: object
    ) -> Iterator[importlib.metadata.Distribution]:
        asked = kept & {plain(name)} if name else kept
        return (each for known, each in everything if known in asked)

    importlib.metadata.Distribution.discover = discover_declared  # type: ignore[method-assign]  # the one door


def run_suite(job: Job) -> int:
    """Run the service's own tests; every line and branch of what "coverage" reports must be run."""
    import pytest  # noqa: PLC0415 - each job imports only what it needs

    plain = ["-q", "--color=no", "-p", "no:cacheprovider", "-p", "no:logging"]
    arguments = [*plain, *job.get("arguments", [])]
    gc.set_threshold(200_000, 20, 20)  # a short life: memory is cheaper than looking for garbage
    if "coverage" not in job:
        return int(pytest.main(arguments))
    import coverage  # noqa: PLC0415

    watch = coverage.Coverage(data_file=None, branch=True, config_file="pyproject.toml")
    watch.start()
    status = int(pytest.main(arguments))
    watch.stop()
    covered = watch.report(**job["coverage"])
    return status or int(covered < 100)


def run_start(_job: Job) -> int:
    """Import every module of the service, create the app, and send it three requests.

    The third one asks for a price, or in a service without the example for the probe of its start.
    """
    app = importlib.import_module("app")
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if "tests" not in module.name.split("."):
            importlib.import_module(module.name)
    if Path("gunicorn.conf.py").exists():
        runpy.run_path("gunicorn.conf.py")
    client = app.create_app().test_client()
    line = {"sku": "TEA-100", "quantity": 2, "unit_price_cents": 450}
    answers = [client.get("/health/live"), client.get("/api/openapi.json")]
    if (Path("app") / "quotes").is_dir():
        basket = {"currency": "EUR", "lines": [line]}
        answers.append(client.post("/api/v1/quotes", json=basket))
    else:
        answers.append(client.get("/health/startup"))
    for answer in answers:
        print(answer.request.path, answer.status, answer.text[:200])
    return int(any(answer.status_code != 200 for answer in answers))


def run_contracts(_job: Job) -> int:
    """Check the import contracts."""
    from importlinter.cli import lint_imports  # noqa: PLC0415

    return lint_imports(no_cache=True, no_logo=True)


@cache
def preloaded_mypy() -> ModuleType:
    """Load the module beside this one: no service must be able to import what lies here."""
    path = Path(__file__).with_name("preloaded_mypy.py")
    spec = importlib.util.spec_from_file_location("preloaded_mypy", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def type_arguments(job: Job) -> list[str]:
    """Return the arguments of mypy: its cache, and what to exclude."""
    return ["--cache-dir", job["cache"], "--no-sqlite-cache", *job.get("arguments", [])]


def read_libraries(job: Job) -> str:
    """Read the libraries of a service in this process, and so for every later fork of it.

    When that fails, return why: mypy then reads them in each fork.
    """
    back = Path.cwd()
    os.chdir(job["folder"])
    try:
        with contextlib.redirect_stdout(sys.stderr):  # ours is for answers
            known["libraries"] = preloaded_mypy().Libraries(type_arguments(job))
    except (Exception, SystemExit) as problem:  # noqa: BLE001 - this process has other jobs
        return repr(problem)
    finally:
        os.chdir(back)
        gc.collect()
        gc.freeze()
    return ""


def run_types(job: Job) -> int:
    """Check the types."""
    return int(preloaded_mypy().check(type_arguments(job), known.get("libraries")))


def run_script(job: Job) -> int:
    """Run a Python file with arguments, as `python FILE ARGUMENT...` does."""
    sys.argv = [job["script"], *job["arguments"]]
    runpy.run_path(job["script"], run_name="__main__")
    return 0


RUNNERS = {
    "contracts": run_contracts,
    "script": run_script,
    "start": run_start,
    "suite": run_suite,
    "types": run_types,
}


def work(job: Job) -> int:
    """Run one job in this process, in the service's folder and with its environment."""
    signal.alarm(job["timeout"])
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(job["folder"])
    sys.path.insert(0, job["folder"])
    sys.argv = [job["kind"]]
    sys.pycache_prefix = job["bytecode"]
    sys.dont_write_bytecode = False
    if job["declared"] is not None:
        allow_only(job["declared"])
    return RUNNERS[job["kind"]](job)


def work_in_child(job: Job) -> None:
    """Run one job with its output in a file, and exit."""
    status = 1
    known = set(sys.modules)
    try:
        output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        status = work(job)
    except BaseException:  # noqa: BLE001 - whatever it is, it belongs in the output
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
            lesson(job).write_text("\n".join(imported_since(known, Path(job["folder"]))))
        os._exit(status)


def lesson(job: Job) -> Path:
    """Return the file for the names of modules that a job has imported."""
    return Path(job["output"]).with_suffix(".modules")


def imported_since(known: set[str], folder: Path) -> list[str]:
    """List the modules imported since then, except the service's own."""
    own = {path.stem for path in folder.iterdir()}
    return [name for name in sys.modules if name not in known and name.partition(".")[0] not in own]


def serve(jobs: TextIO, answers: TextIO) -> None:
    """Fork a child for each job; write its exit status and its CPU seconds.

    Only what all later children are to know is read in this process itself.
    """
    for line in jobs:
        job = json.loads(line)
        if job["kind"] == "libraries":
            before = time.process_time()
            answer = {"status": read_libraries(job), "cpu": time.process_time() - before}
            print(json.dumps(answer), file=answers, flush=True)
            continue
        if not (pid := os.fork()):
            work_in_child(job)
        _, status, usage = os.wait4(pid, 0)
        answer = {
            "status": os.waitstatus_to_exitcode(status),
            "cpu": usage.ru_utime + usage.ru_stime,
        }
        print(json.dumps(answer), file=answers, flush=True)
        if lesson(job).exists():
            preload(lesson(job).read_text().split())
            lesson(job).unlink()


def preload(modules: Iterable[str]) -> None:
    """Import what the jobs will need; a module that fails to import is left to the job."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    owners(), installed()  # cached from here on
    gc.collect()
    gc.freeze()  # the children then share the parent's memory longer


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    if sys.argv[1:2] == ["--once"]:  # a cold interpreter: nothing is imported before the job
        sys.exit(work(json.loads(sys.argv[2])))
    preload(sys.argv[1:])
    serve(os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w"))
