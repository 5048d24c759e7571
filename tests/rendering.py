"""Each file of the tree, rendered for every combination of the answers that it depends on."""

from functools import cache

from cookiecutter.utils import create_env_with_context

import post_gen_project
from answers import (
    TREE,
    Answers,
    choices,
    copied,
    depends_on,
    exists_with,
    grouped,
    questions,
    texts,
    tree_files,
)

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
    """Tell whether these answers keep a file or folder that the tree has."""
    return path in places() and not any(
        path == gone or path.startswith(f"{gone}/")
        for key in post_gen_project.FILES
        if not post_gen_project.chosen(answers, key)
        for gone in post_gen_project.paths(key)
    )


@cache
def places() -> set[str]:
    """List the files and folders of the tree."""
    return {each for file in tree_files() for each in (file, *folders_of(file))}


def folders_of(path: str) -> list[str]:
    """List the folders above a file."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


def renderings(path: str, kind: str, targets: tuple[str, ...] = ()) -> list[tuple[str, Answers]]:
    """Render a file for every combination of its answers; keep each distinct text once.

    `targets` are paths whose existence matters to the file too: what it links to.
    """
    env = create_env_with_context({"cookiecutter": questions()})
    source = (TREE / path).read_text()
    template = None if copied(path) else env.from_string(source)
    names = depends_on(path).union(*map(exists_with, targets))
    found: dict[tuple[str, tuple[bool, ...]], Answers] = {}
    for rows in grouped(names).values():
        if exists(path, rows[0]):
            text = template.render(cookiecutter=full(kind) | rows[0]) if template else source
            there = tuple(exists(target, rows[0]) for target in targets)
            found.setdefault((text, there), rows[0])
    return [(text, answers) for (text, _), answers in found.items()]


def named(answers: Answers, path: str) -> str:
    """Spell the answers that a file depends on, for a message."""
    return " ".join(f"{name}={answers[name]}" for name in choices() if name in depends_on(path))
