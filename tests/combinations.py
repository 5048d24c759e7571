"""Which answers are valid together, and which files depend on which of them.

All of it is derived: the choices from `cookiecutter.json`, what excludes what from `REQUIRES`,
what a file depends on from Jinja's own syntax tree and from the tree's manifest. No answer is named here.
Delete it when cookiecutter can list the valid combinations of its answers.
"""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import cache
from itertools import combinations as subsets
from itertools import cycle
from pathlib import Path
from typing import Any

from cookiecutter.utils import create_env_with_context
from covertable import make
from jinja2 import nodes

import post_gen_project
import pre_gen_project

Value = str | bool
Answers = dict[str, Value]
Choices = dict[str, list[Value]]
Requires = dict[str, list[str]]

PAIR, TRIPLE = 2, 3
ROOT = Path(__file__).parents[1]
TREE = ROOT / "{{cookiecutter.project_slug}}"


def questions() -> dict[str, Any]:
    """Read `cookiecutter.json`: the questions with their defaults, and the settings."""
    found: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text())
    return found


@cache
def choices() -> Choices:
    """List the values of every answer that is not free text, the default first."""
    found = {name: each for name, each in questions().items() if not name.startswith("_")}
    return {
        name: [default, not default] if isinstance(default, bool) else default
        for name, default in found.items()
        if isinstance(default, bool | list)
    }


def texts() -> dict[str, str]:
    """List the free-text answers and their defaults."""
    found = {name: each for name, each in questions().items() if not name.startswith("_")}
    return {name: default for name, default in found.items() if isinstance(default, str)}


@cache
def template_files() -> list[str]:
    """List the template's own files: what git tracks or would, so no caches and nothing ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(path for path in listed.split("\0") if path and (ROOT / path).is_file())


def tree_files() -> list[str]:
    """List what a service can have of the tree, as paths inside it: all but the manifest."""
    inside = (path.split("/", 1) for path in template_files())
    return [
        rest[0]
        for folder, *rest in inside
        if folder == TREE.name and rest and rest[0] != post_gen_project.MANIFEST
    ]


@cache
def manifest() -> dict[str, list[str]]:
    """Read the tree's manifest: what exists only with the answers that each key names."""
    return post_gen_project.paths_by_key(TREE)


def copy_template(target: Path) -> Path:
    """Copy the template's own files, so that a run sees one state of them from start to end."""
    for path in template_files():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target / path)
    return target


def names_in(key: str) -> set[str]:
    """Return the answers that a key of the manifest or of `REQUIRES` depends on."""
    return set(pre_gen_project.questions_in(key))


def exists_with(path: str) -> set[str]:
    """Return the answers that decide whether this file exists."""
    places = {path, *map(str, Path(path).parents)}
    keys = (key for key, paths in manifest().items() if not places.isdisjoint(paths))
    return set().union(*map(names_in, keys))


@cache
def copied(path: str) -> bool:
    """Return whether cookiecutter copies this file of the tree without rendering it."""
    return any(fnmatch(path, pattern) for pattern in questions().get("_copy_without_render", []))


def mentions(source: str) -> set[str]:
    """Return the answers that this template text mentions."""
    env = create_env_with_context({"cookiecutter": questions()})
    found: set[str] = set()
    for node in env.parse(source).find_all((nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr):
            found.add(node.attr)
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            found.add(str(node.arg.value))
    return found


@cache
def depends_on(path: str) -> frozenset[str]:
    """Return the answers, except free text, that change this file of the tree or its existence."""
    said = set() if copied(path) else mentions((TREE / path).read_text())
    names = exists_with(path) | said
    return frozenset(names & choices().keys())


@cache
def runtime_answers() -> list[str]:
    """List the answers that some Python file depends on; the others are packaging."""
    return [name for name in choices() if python_files(name)]


@cache
def python_files(name: str) -> list[str]:
    """List the Python files that depend on an answer."""
    return [path for path in tree_files() if path.endswith(".py") and name in depends_on(path)]


def valid(answers: Answers, requires: Requires) -> bool:
    """Return whether these answers are valid together."""
    return all(
        pre_gen_project.chosen(answers, need)
        for key, needs in requires.items()
        if pre_gen_project.chosen(answers, key)
        for need in needs
    )


def valid_combinations(of: Choices, requires: Requires) -> Iterator[Answers]:
    """Yield the product of the choices without what `requires` excludes.

    Neighbours differ in one answer (a reflected Gray code), and what two combinations have in
    common need not be checked again.
    """
    rows: list[tuple[Value, ...]] = [()]
    for values in of.values():
        forth_and_back = cycle((values, values[::-1]))
        rows = [(*row, value) for row in rows for value in next(forth_and_back)]
    found = (dict(zip(of, row, strict=True)) for row in rows)
    return (row for row in found if valid(row, requires))


@cache
def combinations() -> list[Answers]:
    """List every valid combination of all answers, packaging included.

    What an answer changes is checked again whenever it changes, so the heaviest change least often.
    """
    heaviest_first = sorted(choices(), key=lambda name: len(python_files(name)), reverse=True)
    of = {name: choices()[name] for name in heaviest_first}
    return list(valid_combinations(of, pre_gen_project.REQUIRES))


def nearest(wanted: Answers) -> Answers:
    """Return the valid answers that have most in common with these."""
    return max(combinations(), key=lambda row: len(row.items() & wanted.items()))


def grouped(names: Iterable[str]) -> dict[tuple[Value, ...], list[Answers]]:
    """Group the valid combinations by what they answer to these names alone."""
    wanted = [name for name in choices() if name in set(names)]
    groups: dict[tuple[Value, ...], list[Answers]] = {}
    for row in combinations():
        groups.setdefault(tuple(row[name] for name in wanted), []).append(row)
    return groups


@cache
def runtime_combinations() -> list[Answers]:
    """List the valid combinations of runtime answers, each with other packaging answers in turn."""
    groups = grouped(runtime_answers()).values()
    return [rows[number % len(rows)] for number, rows in enumerate(groups)]


def covering_rows(of: Choices, requires: Requires) -> list[Answers]:
    """Choose a few valid rows in which each pair of values that can meet does meet."""
    if len(of) < PAIR:
        return list(valid_combinations(of, requires))

    def holds(key: str) -> dict[str, object]:
        name = key.partition("=")[0]
        agreeing = [each for each in of[name] if pre_gen_project.chosen({name: each}, key)]
        return {"operator": "in", "left": name, "values": agreeing}

    rows: list[Answers] = make(
        of,
        strength=PAIR,
        constraints=[
            {
                "operator": "or",
                "conditions": [{"operator": "not", "condition": holds(key)}, holds(need)],
            }
            for key, needs in requires.items()
            for need in needs
            if names_in(key) | names_in(need) <= of.keys()
        ],
    )
    return rows


@cache
def covering_set() -> list[Answers]:
    """List the runtime combinations that together hold every pair of runtime answers."""
    of = {name: choices()[name] for name in runtime_answers()}
    rows = covering_rows(of, pre_gen_project.REQUIRES)
    return [each for each in runtime_combinations() if {name: each[name] for name in of} in rows]


def held(row: Answers, strength: int) -> set[tuple[tuple[str, Value], ...]]:
    """Return each choice of this many runtime answers, with their values."""
    return set(subsets([(name, row[name]) for name in runtime_answers()], strength))


def added_until_all_are_held(
    rows: list[Answers], strength: int, first: Iterable[Answers] = ()
) -> list[Answers]:
    """List a few rows that, with the first ones, hold all that these rows hold."""
    found = {ident(row): held(row, strength) for row in rows}
    missing = set().union(*found.values()).difference(*(held(row, strength) for row in first))
    chosen = []
    while missing:
        chosen.append(max(rows, key=lambda row: len(missing & found[ident(row)])))
        missing -= found[ident(chosen[-1])]
    return chosen


@cache
def beyond_the_covering_set() -> list[Answers]:
    """List runtime combinations that, with the covering set, hold all that any three answers can be."""
    return added_until_all_are_held(runtime_combinations(), TRIPLE, covering_set())


def holding_each_answer(first: int = 0) -> list[Answers]:
    """List a few rows of the covering set that together hold each runtime answer, looking at the first one first."""
    rows = covering_set()
    return added_until_all_are_held(rows[first:] + rows[:first], 1)


def ident(answers: Answers) -> str:
    """Name a combination by its runtime answers, readable and good for `pytest -k`."""
    wanted = {name: answers[name] for name in runtime_answers()}
    parts = (
        name if value is True else f"{name}={value}" for name, value in wanted.items() if value
    )
    return "-".join(parts)
