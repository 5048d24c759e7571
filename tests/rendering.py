"""Each file of the tree, rendered for every combination of the answers that it depends on.

Delete it when every combination of all answers, packaging included, can be generated in one run.
"""

import os
from functools import cache

from cookiecutter.utils import create_env_with_context
from jinja2 import Template

import post_gen_project
from combinations import (
    TREE,
    Answers,
    choices,
    copied,
    covering_rows,
    depends_on,
    exists_with,
    grouped,
    manifest,
    names_in,
    questions,
    texts,
    tree_files,
)
from pre_gen_project import REQUIRES

AWKWARD = "It's 50% off & more: #1 {x} <b> é ’ – $HOME `code` 注文 \U0001f680"  # noqa: RUF001 - as phones type them
# Texts that have to come out right wherever they stand, whatever their length and characters.
TEXTS: dict[str, dict[str, str]] = {
    "default": {"project_slug": "order-service"},
    "awkward": dict.fromkeys(texts(), AWKWARD) | {"project_slug": "a1-b2_c3"},
    "short": dict.fromkeys(texts(), "A") | {"project_slug": "a"},
    "long": dict.fromkeys(texts(), "long words " * 18 + "end")
    | {
        "project_name": "Service " * 7 + "of words",
        "project_slug": "s" + "-2345678" * 7 + "-abcdef",
    },
}


def full(kind: str) -> dict[str, str]:
    """Complete a set of texts with the defaults."""
    return texts() | TEXTS[kind]


def exists(path: str, answers: Answers) -> bool:
    """Return whether a service with these answers has a file or folder of the tree."""
    return path in places() and all(
        post_gen_project.chosen(answers, key) for key in only_with(path)
    )


@cache
def only_with(path: str) -> list[str]:
    """List the keys of the manifest without which a file or folder is pruned."""
    return [
        key
        for key, paths in manifest().items()
        if any(path == gone or path.startswith(f"{gone}/") for gone in paths)
    ]


@cache
def places() -> set[str]:
    """List the files and folders of the tree."""
    return {each for file in tree_files() for each in (file, *folders_of(file))}


def folders_of(path: str) -> list[str]:
    """List the folders above a file."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


@cache
def rows_of(names: frozenset[str], *, few: bool) -> list[Answers]:
    """List the combinations of these answers, or a few in which each pair of them occurs."""
    if few:
        asked = {
            key: needs
            for key, needs in REQUIRES.items()
            if names_in(" and ".join([key, *needs])) <= names
        }
        return covering_rows({name: choices()[name] for name in sorted(names)}, asked)
    return [rows[0] for rows in grouped(names).values()]


def renderings(path: str, kind: str, targets: tuple[str, ...] = ()) -> list[tuple[str, Answers]]:
    """Render a file for every combination of its answers; keep each distinct text once.

    `targets` are paths whose existence matters to the file too: what it links to. Other texts than
    the default ones are put into a few combinations only, unless WHOLE is set: a text stands in one
    line, and few answers change a line.
    """
    few = kind != "default" and not os.environ.get("WHOLE")
    names = depends_on(path).union(*map(exists_with, targets))
    found: dict[tuple[str, tuple[bool, ...]], Answers] = {}
    for some in rows_of(names, few=few):
        answers = first_of_each() | some
        if exists(path, answers):
            there = tuple(exists(target, answers) for target in targets)
            found.setdefault((render(path, kind, answers), there), answers)
    return [(text, answers) for (text, _), answers in found.items()]


def render(path: str, kind: str, answers: Answers) -> str:
    """Return a file as a service with these answers and a kind of texts gets it."""
    text = rendered(path, kind, answers)
    return post_gen_project.without_seams(text) if post_gen_project.NOTE in text else text


def rendered(path: str, kind: str, answers: Answers) -> str:
    """Render a file before the hook joins lines, or copy it without rendering."""
    if not (template := template_of(path)):
        return (TREE / path).read_text()
    return template.render(cookiecutter=full(kind) | answers)


@cache
def template_of(path: str) -> Template | None:
    """Compile a file of the tree, if it is a template."""
    if copied(path):
        return None
    env = create_env_with_context({"cookiecutter": questions()})
    template: Template = env.from_string((TREE / path).read_text())
    return template


@cache
def first_of_each() -> Answers:
    """Return the default of every choice."""
    return {name: values[0] for name, values in choices().items()}


def named(answers: Answers, path: str) -> str:
    """Format the answers that a file depends on, for a message."""
    return " ".join(f"{name}={answers[name]}" for name in choices() if name in depends_on(path))
