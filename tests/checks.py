"""The checks that every generated service must pass, one function each.

`test_defects.py` shows that each can fail. Delete a check together with its defect there.
"""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import post_gen_project
from bakery import Bakery, FailedCheckError
from combinations import copied

JINJA = re.compile(
    r"\{\{|\{%|%\}|\{#|cookiecutter|" + re.escape(post_gen_project.NOTE.strip()), re.IGNORECASE
)
OUR_OWN = re.compile("cookiecutter", re.IGNORECASE)
CHEAP = (
    "not process and not slow"  # the marks of a service's tests that need no server of their own
)
MADE_UP = "tests/test_fuzzing.py"
TEST_FILES = r"(^|/)test_\w+\.py$"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def files(project: Path) -> list[Path]:
    """List the files of a service."""
    return sorted(path for path in project.rglob("*") if path.is_file())


def fail_for(problems: list[str]) -> None:
    """Raise an error that lists all problems, if there are any."""
    if problems:
        raise FailedCheckError("\n".join(problems))


@cache
def trace_of_template(path: str, text: str) -> str | None:
    """Return the first template code of ours; a file that is copied without rendering may have its own."""
    found = (OUR_OWN if copied(path) else JINJA).search(text)
    return found and found.group()


def no_trace_of_jinja(project: Path) -> None:
    """Find template code, or the word cookiecutter, in names or text."""
    paths = {path: str(path.relative_to(project)) for path in files(project)}
    fail_for(
        [
            f"{name}: {found!r} is left over"
            for path, name in paths.items()
            for text in (name, path.read_text(errors="replace"))
            if (found := trace_of_template(name, text))
        ]
    )


def nothing_empty(project: Path) -> None:
    """Find empty folders, empty files, and modules with only a docstring."""
    folders = [path for path in project.rglob("*") if path.is_dir() and not any(path.iterdir())]
    blank = [path for path in files(project) if not path.read_bytes().strip()]
    idle = [path for path in project.rglob("*.py") if path.name != "__init__.py" and not says(path)]
    fail_for([f"{path.relative_to(project)} is empty" for path in [*folders, *blank, *idle]])


@cache
def parsed(text: str) -> ast.Module:
    """Parse a module; most are identical in the next combination, and parsed once."""
    return ast.parse(text)


def says(path: Path) -> bool:
    """Return whether a module contains more than a docstring."""
    body = parsed(path.read_text()).body
    return any(
        not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)) for each in body
    )


@cache
def imports(text: str, package: str) -> frozenset[str]:
    """List the modules that a module names in its imports, relative ones made absolute."""
    found: set[str] = set()
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: -node.level + 1 or None] if node.level else []
            origin = ".".join([*base, *(node.module or "").split(".")]).rstrip(".")
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def run_by_make(project: Path) -> set[str]:
    """List the modules that the Makefile runs."""
    return set(re.findall(r"-m (app(?:\.\w+)+)", (project / "Makefile").read_text()))


def nothing_dead(project: Path) -> None:
    """Find modules of the app that nothing imports or runs."""
    sources = {
        ".".join(path.relative_to(project).with_suffix("").parts): path
        for path in project.rglob("*.py")
    }
    wanted = run_by_make(project).union(
        *(imports(path.read_text(), name.rpartition(".")[0]) for name, path in sources.items())
    )
    fail_for(
        [
            f"{path.relative_to(project)} is imported by nothing"
            for name, path in sources.items()
            if name.startswith("app.") and name not in wanted
            if not path.name.startswith(("__init__", "__main__", "test_", "conftest"))
            if not name.endswith(".tests.access_rules")  # tests/test_access_rules.py reads them
        ]
    )


def links_lead_somewhere(project: Path) -> None:
    """Find relative links in Markdown to files that do not exist."""
    fail_for(
        [
            f"{page.relative_to(project)} links to {target}, which is not there"
            for page in project.rglob("*.md")
            for target in LINK.findall(page.read_text())
            if not re.match(r"[a-z]+:|#", target)
            if not (page.parent / target.partition("#")[0]).exists()
        ]
    )


def linted_and_formatted(bakery: Bakery, project: Path) -> None:
    """Run ruff with the service's own rules, on what it has not found clean under them before.

    What it says of a file depends on the file, the rules, and the names of the service's own modules.
    """
    with bakery.meter.part("ruff"):
        settings = tomllib.loads((project / "pyproject.toml").read_text())
        rules = json.dumps(
            [settings["tool"]["ruff"], sorted(each.name for each in project.iterdir())]
        )
        texts = {
            str(path.relative_to(project)): path.read_bytes()
            for path in files(project)
            if path.suffix in {".py", ".pyi"} or path.name == "pyproject.toml"
        }
        new = [path for path, text in texts.items() if (rules, path, text) not in bakery.clean]
        for command in (["check"], ["format", "--check"]) if new else ():
            arguments = ["--quiet", "--no-cache", "--force-exclude", "--", *new]
            bakery.command(["ruff", *command, *arguments], project)
        bakery.clean.update((rules, path, texts[path]) for path in new)


def typed(bakery: Bakery, project: Path, *, with_tests: bool = True) -> None:
    """Run mypy --strict in a fork that knows the libraries, with a cache kept for this folder.

    CPU seconds for one combination after another on 2 cores: 0.3 so; 0.6 in a fork that reads the
    libraries' cache itself; 1.0 in a fresh process; 20 without a cache; 3 to 10 as fine-grained
    updates of a warm `dmypy` server, which also crashed in two of three ("Should not see a partial
    type here", mypy 2.4.1).
    """
    bakery.warm_types()
    arguments = [] if with_tests else ["--exclude", TEST_FILES]
    bakery.run(bakery.job("types", project, arguments=arguments))


def layered(bakery: Bakery, project: Path) -> None:
    """Check the import contracts."""
    bakery.run(bakery.job("contracts", project))


def passes_its_own_tests(bakery: Bakery, project: Path, env: dict[str, str] | None = None) -> None:
    """Run the service's suite with only the packages that its requirements pin.

    Tests marked `process` start real servers, and those marked `slow` make up or measure much:
    the covering set runs them too (see below).
    """
    arguments = ["-m", CHEAP]
    bakery.run(bakery.job("suite", project, "requirements-dev.txt", env=env, arguments=arguments))


def starts(bakery: Bakery, project: Path) -> None:
    """Start the app with the packages of production, without those of development.

    It must say that it is alive, describe its API, and price a basket.
    """
    bakery.run(bakery.job("start", project, "requirements.txt", env={"APP_ENV": "development"}))


def starts_cold(bakery: Bakery, project: Path) -> None:
    """Start the app as `starts` does, in a new interpreter."""
    bakery.run_cold(
        bakery.job("start", project, "requirements.txt", env={"APP_ENV": "development"})
    )


def covers_every_line_and_branch(
    bakery: Bakery, project: Path, *, with_processes: bool = True
) -> None:
    """Run all of the service's suite, under coverage: 100 % of lines and branches.

    Requests made up from the API document are no part of that: with each line counted they are three
    times as dear, and what they reach must be shown by tests that say what they expect. Without the tests
    that start processes, whose lines nobody counts, the tests themselves are not counted either.
    """
    counted: dict[str, object] = {"coverage": {}, "arguments": ["--ignore", MADE_UP]}
    if not with_processes:
        of_the_app = {"include": ["app/*"], "omit": ["*/tests/*"]}
        arguments = ["--ignore", MADE_UP, "-m", "not process"]
        counted = {"coverage": of_the_app, "arguments": arguments}
    for more in (counted, {"arguments": [MADE_UP]}):
        bakery.run(bakery.job("suite", project, "requirements-dev.txt", **more))


def generated_right(
    bakery: Bakery, project: Path, *, types_of_tests: bool = True, suite: bool = True
) -> None:
    """Check everything that must hold in every combination, and report all failures.

    The types of the service's own tests, and its suite, are checked on request.
    """
    of_files = (no_trace_of_jinja, nothing_empty, nothing_dead, links_lead_somewhere)
    of_the_service = (linted_and_formatted, layered, starts)
    found: list[str] = []
    for check in of_files:
        with bakery.meter.part("files"), noted(found):
            check(project)
    for each in of_the_service:
        with noted(found):
            each(bakery, project)
    with noted(found):
        typed(bakery, project, with_tests=types_of_tests)
    if suite:
        with noted(found):
            passes_its_own_tests(bakery, project)
    fail_for(found)


@contextmanager
def noted(problems: list[str]) -> Iterator[None]:
    """Collect the message of a failed check."""
    try:
        yield
    except FailedCheckError as failure:
        problems.append(str(failure))
