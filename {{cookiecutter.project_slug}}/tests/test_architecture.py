"""The pages on architecture are correct: files and names exist, and the diagram shows the layers."""

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import own_domains

PROJECT = Path(__file__).parents[1]
ARCHITECTURE = PROJECT / "docs" / "architecture.md"
AGENTS = PROJECT / "AGENTS.md"
SPAN = re.compile("`([^`]+)`")
# With a folder, or with a suffix: `app/core/`, `gunicorn.conf.py`; not `/api/v1/notes`.
FILE = re.compile(r"[\w.-]+(/[\w.-]*)+|[\w.-]+\.(conf|md|py|toml|txt)")
# `Pipeline.begin` of `app/core/pipeline.py`; `Note` and `NoteLine` of `app/notes/models.py`
NAMED = re.compile(r"((?:`[\w.]+`(?:, | and ))*`[\w.]+`) of `([\w./-]+\.py)`")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

GROUP = re.compile(r'subgraph (\w+)\["[^"]+"\]')
NODE = re.compile(r'(\w+)\["\1<br/>[^"]+"\]')
ARROW = re.compile(r"(\w+) --> (\w+)")


def prose(page: Path) -> str:
    """Return a page on one line, without its fenced blocks."""
    return " ".join(FENCE.sub("", page.read_text(encoding="utf-8")).split())


@cache
def defined(path: Path) -> frozenset[str]:
    """Return the names that a module defines; those in a class as `Class.name`."""
    return frozenset(_defined(ast.parse(path.read_text(encoding="utf-8")).body))


def _defined(body: Sequence[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name):
                yield prefix + name
            case ast.ClassDef(name=name, body=members):
                yield prefix + name
                yield from _defined(members, f"{prefix}{name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name


def exists(path: str) -> bool:
    """Return whether there is such a file; a bare name may be that of a file of any domain."""
    if "/" not in path and (path in files_of_a_domain() or any(PROJECT.glob(f"app/*/{path}"))):
        return True
    return (PROJECT / path).exists()


def packages(folder: Path) -> set[str]:
    """Return the packages in a folder that contain more than tests."""
    return {
        each.parent.name for each in folder.glob("*/__init__.py") if each.parent.name != "tests"
    }


@cache
def contracts() -> list[dict[str, Any]]:
    """Return the import contracts of the service."""
    found = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(found["tool"]["importlinter"]["contracts"])


def files_of_a_domain() -> set[str]:
    """Return the files that a domain may have, by the import contract of its layers."""
    [named] = [
        contract["layers"]
        for contract in contracts()
        if "app.health" in contract.get("containers", [])
    ]
    return {f"{name}.py" for layer in named for name in re.findall(r"\w+", layer)}


def layers() -> list[set[str]]:
    """Return the modules of each layer of the core, from the top, by the import contract."""
    core = PROJECT / "app" / "core"
    there = packages(core) | {each.stem for each in core.glob("[a-z]*.py")}
    named = [
        set(re.findall(r"\w+", layer)) & there
        for contract in contracts()
        if contract.get("containers") == ["app.core"]
        for layer in contract["layers"]
    ]
    assert set().union(*named) == there
    return [layer for layer in named if layer]


def diagram() -> tuple[dict[str, set[str]], set[tuple[str, str]]]:
    """Return the nodes of each subgraph, and the arrows; any other node is a group by itself."""
    [text] = [
        text for kind, text in FENCE.findall(ARCHITECTURE.read_text(encoding="utf-8")) if kind
    ]
    groups: dict[str, set[str]] = {}
    arrows: set[tuple[str, str]] = set()
    inside = ""
    for line in map(str.strip, text.partition("flowchart TB")[2].splitlines()):
        if group := GROUP.fullmatch(line):
            inside = group[1]
        elif line == "end":
            inside = ""
        elif node := NODE.fullmatch(line):
            groups.setdefault(inside or node[1], set()).add(node[1])
        elif arrow := ARROW.fullmatch(line):
            arrows.add((arrow[1], arrow[2]))
        else:
            assert line in {"", "direction TB"} or line.startswith("#"), f"not understood: {line}"
    return groups, arrows


@pytest.mark.parametrize("page", [ARCHITECTURE, AGENTS], ids=lambda page: page.name)
def test_each_file_that_is_named_exists(page: Path) -> None:
    named = {span for span in SPAN.findall(prose(page)) if FILE.fullmatch(span)}

    assert named
    assert [path for path in sorted(named) if not exists(path)] == []


@pytest.mark.parametrize("page", [ARCHITECTURE, AGENTS], ids=lambda page: page.name)
def test_each_name_is_defined_in_the_file_that_is_named_with_it(page: Path) -> None:
    found = [
        (name, path)
        for names, path in NAMED.findall(prose(page))
        for name in SPAN.findall(names)
        if name not in defined(PROJECT / path)
    ]

    assert found == []


def test_each_command_in_the_agents_instructions_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    named = re.findall(r"`make ([^`]+)`", prose(AGENTS))

    assert {word for line in named for word in re.findall("^[a-z-]+", line)} <= targets


def test_the_diagram_names_each_domain_of_the_template_each_part_of_the_core_and_no_other() -> None:
    groups, _ = diagram()

    assert groups["domains"] == packages(PROJECT / "app") - {"core"} - own_domains.NAMES
    assert set().union(*groups.values()) - groups["domains"] == set().union(*layers())


def test_the_arrows_of_the_diagram_are_the_layers_of_the_import_contract() -> None:
    groups, arrows = diagram()
    place = {name: number for number, layer in enumerate(layers()) for name in layer}
    steps = set()
    for above, below in arrows - {("domains", "outer")}:
        [start], [end] = ({place[node] for node in groups[each]} for each in (above, below))
        steps.add((start, end))

    assert ("domains", "outer") in arrows
    assert groups["outer"] == layers()[0]
    assert all(start < end for start, end in steps)
    assert steps >= set(pairwise(range(len(layers()))))
    # One group or node holds all of a layer.
    assert all(layer in groups.values() for layer in layers())
