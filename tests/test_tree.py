"""The tree as it stands, before any rendering: it is a service, whole and clean."""

import ast
import importlib.metadata
import re
import runpy
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bakery import Bakery
from checks import CHEAP, linted_and_formatted, nothing_dead, nothing_empty, typed
from combinations import ROOT, TREE, copied, template_files, tree_files
from forkserver import plain
from post_gen_project import MANIFEST, with_tests
from requirements import pins

PARSERS: dict[str, Callable[[str], object]] = {
    ".py": ast.parse,
    ".pyi": ast.parse,
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
}


@pytest.fixture(scope="module")
def tree(all_services: Bakery) -> Path:
    """Stand the tree alone, in a copy, so that no check can leave anything in it."""
    return all_services.template / TREE.name


def test_git_writes_every_file_without_carriage_returns(tmp_path: Path) -> None:
    needed = [path for path in template_files() if path.endswith((".gitattributes", "Makefile"))]
    for path in needed:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    # A service is a repository of its own, without the file of the template.
    for folder in (tmp_path / TREE.name, tmp_path):
        git = ("git", "-C", str(folder), "-c", "core.autocrlf=true")
        subprocess.run([*git, "init", "--quiet"], check=True)
        subprocess.run([*git, "add", "Makefile"], check=True)
        (folder / "Makefile").unlink()
        subprocess.run([*git, "checkout", "--quiet", "--", "Makefile"], check=True)

        assert b"\r" not in (folder / "Makefile").read_bytes()


@pytest.mark.parametrize("path", [path for path in tree_files() if Path(path).suffix in PARSERS])
def test_a_file_parses_unrendered(path: str) -> None:
    assert PARSERS[Path(path).suffix]((TREE / path).read_text())


def test_the_tree_is_linted_and_formatted(bakery: Bakery, tree: Path) -> None:
    linted_and_formatted(bakery, tree)


def test_bandit_finds_nothing_in_the_tree(bakery: Bakery, tree: Path) -> None:
    # As `make audit` of a service does; all that can be in a service is in the tree.
    settings = ["--configfile", "pyproject.toml", "--recursive", "app"]

    bakery.command(["bandit", "--quiet", *settings], tree)


def test_the_tree_is_typed(bakery: Bakery, tree: Path) -> None:
    typed(bakery, tree)


def test_the_tree_holds_nothing_empty_or_dead(tree: Path) -> None:
    nothing_empty(tree)
    nothing_dead(tree)


@pytest.mark.long
def test_the_tree_passes_its_own_tests(
    bakery: Bakery, tree: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # They leave a database behind, and others generate services from that folder.
    own = shutil.copytree(tree, tmp_path / "tree")
    marked = ["-m", CHEAP] if request.config.option.quick else []

    bakery.run(bakery.job("suite", own, arguments=marked))


def test_each_place_that_is_said_to_name_the_example_does() -> None:
    found = runpy.run_path(str(TREE / "tests" / "test_example.py"))

    assert found["WIRED"].keys() == found["places"]().keys()


def test_nothing_untracked_or_ignored_lies_in_the_tree() -> None:
    command = [
        "git",
        "status",
        "--porcelain",
        "--ignored",
        "--untracked-files=all",
        "--",
        TREE.name,
    ]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    strays = [line for line in listed.splitlines() if line.startswith(("??", "!!"))]
    strays += [str(path) for path in TREE.rglob("*") if path.is_dir() and not any(path.iterdir())]

    assert not strays, "cookiecutter would copy these into every service"


def listed() -> dict[str, list[str]]:
    found: dict[str, list[str]] = tomllib.loads((TREE / MANIFEST).read_text())["only-with"]
    return found


@pytest.mark.parametrize("path", sorted({path for each in listed().values() for path in each}))
def test_each_path_in_the_manifest_is_in_the_tree_and_no_test_of_another(path: str) -> None:
    others = {each for paths in listed().values() for each in paths} - {path}

    assert [each for each in tree_files() if f"{each}/".startswith(f"{path}/")]
    assert path not in {test for other in others for test in with_tests(other)}


def test_the_manifest_names_nothing_twice_under_one_key() -> None:
    assert [key for key, names in listed().items() if len(names) != len(set(names))] == []


def test_the_environment_holds_exactly_the_versions_that_the_tree_pins() -> None:
    here = {plain(each.name): each.version for each in importlib.metadata.distributions()}
    pinned = {plain(name): version for name, version in pins(TREE / "requirements-dev.txt").items()}
    common = pinned.keys() & here.keys()

    assert len(common) > 50  # a few pins are for other Pythons and systems
    assert {name: here[name] for name in common} == {name: pinned[name] for name in common}


# Not a URL of a registry, not a path that only one machine has.
PRIVATE = re.compile(
    r"p[y]pi\.org|pythonh[o]sted|registry\.n[p]mjs|deb\.d[e]bian|--(?:extra-)?index-url|--find-links"
    r"|(?<![\w.])/(?:home|root|work|Users)/\w"
)


# A pattern such as `\d{{1,3}}` would be rendered to `\d(1, 3)`, and `{#` begins a comment of Jinja.
MEANT_FOR_OTHERS = re.compile(r"\{\{(?!(?:(?!\}\}).)*cookiecutter\.)|\{#|(?<!# )\{%")


def test_nothing_in_the_tree_is_taken_for_jinja_by_mistake() -> None:
    texts = {path: (TREE / path).read_text() for path in tree_files() if not copied(path)}

    found = {path: MEANT_FOR_OTHERS.findall(text) for path, text in texts.items()}
    assert {path: each for path, each in found.items() if each} == {}
    mistakes = MEANT_FOR_OTHERS.findall(r"\d{{1,3}} {#top} {% if a %}")
    assert mistakes == ["{{", "{#", "{%"]
    assert not MEANT_FOR_OTHERS.findall(
        "# {% if a %} {{cookiecutter.a}} {{ 'b' if cookiecutter.a }}"
    )


@pytest.mark.parametrize("path", template_files())
def test_a_file_names_no_registry_and_no_machine(path: str) -> None:
    if path != str(Path(__file__).relative_to(ROOT)):  # the pattern itself
        text = (ROOT / path).read_text(errors="replace")
        found = [found.group() for found in PRIVATE.finditer(text)]
        assert not found
