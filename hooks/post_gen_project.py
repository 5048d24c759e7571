"""Remove the files of other answers from the new service, and print the next commands."""

import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

Answers = dict[str, str | bool]
MANIFEST = "manifest.toml"  # in the tree: the paths that exist only with certain answers
LINE_LENGTH = 100  # the limit of the service's formatter
NOTE = "  # one line where it fits"
"""Marks a bracket with one item a line, because markers stand between the items in the tree."""


def paths_by_key(project: Path) -> dict[str, list[str]]:
    """Read the manifest: the paths that exist only if a condition is met, by condition.

    The paths include the tests of modules and packages.
    """
    manifest = tomllib.loads((project / MANIFEST).read_text())["only-with"]
    return {
        key: [each for path in paths for each in with_tests(path)]
        for key, paths in manifest.items()
    }


def with_tests(path: str) -> list[str]:
    """Return a path of the manifest and the possible paths of its tests.

    >>> with_tests("app/core/tasks/outbox.py")[1:]
    ['tests/core/tasks/test_outbox.py', 'tests/core/tasks/outbox']
    >>> with_tests("app/orders/events.py")[1:]
    ['app/orders/tests/test_events.py']
    >>> with_tests("docs/tracing.md")[1:]
    []
    """
    folder, name = Path(path).parent, Path(path).stem
    match folder.parts:
        case ("app", "core", *_):
            tests = Path("tests", *folder.parts[1:])
            return [path, str(tests / f"test_{name}.py"), str(tests / name)]
        case ("app", *_):
            return [path, str(folder / "tests" / f"test_{name}.py")]
    return [path]


# cookiecutter renders each hook alone and runs it from a temporary folder, so hooks cannot import a
# common module: `terms` and `chosen` are identical in both (tests/test_hooks.py).


def terms(condition: str) -> list[list[str]]:
    """Split a condition into its alternatives, and each of these into its terms.

    >>> terms("auth=jwt or auth=oidc and web_ui")
    [['auth=jwt'], ['auth=oidc', 'web_ui']]
    """
    return [alternative.split(" and ") for alternative in condition.split(" or ")]


def chosen(answers: Answers, condition: str) -> bool:
    """Return whether the answers meet a condition of `manifest.toml` or of `REQUIRES`.

        condition   = alternative, or several joined by " or "
        alternative = term, or several joined by " and "
        term        = question, or question=value

    A condition is met when one of its alternatives is, an alternative when each of its terms is.
    There are no brackets. `question` is met by every answer except no and none, `question=value` by
    this value only; the values of a yes-or-no question are `yes` and `no`.

    >>> answers = {"auth": "oidc", "database": "none", "tracing": False, "web_ui": True}
    >>> chosen(answers, "auth"), chosen(answers, "database"), chosen(answers, "tracing")
    (True, False, False)
    >>> chosen(answers, "auth=oidc"), chosen(answers, "auth=jwt"), chosen(answers, "database=none")
    (True, False, True)
    >>> chosen(answers, "tracing=no"), chosen(answers, "web_ui=no")
    (True, False)
    >>> chosen(answers, "auth=oidc and tracing"), chosen(answers, "auth=oidc or tracing")
    (False, True)
    >>> chosen(answers, "web_ui or auth=jwt and tracing")
    True

    Raises:
        KeyError: if a question has no answer.

    """

    def met(term: str) -> bool:
        question, _, value = term.partition("=")
        answer = answers[question]
        spelled = "yes" if answer is True else "no" if answer is False else answer
        return spelled == value if value else answer not in (False, "none")

    return any(all(map(met, alternative)) for alternative in terms(condition))


def prune(project: Path, answers: Answers) -> None:
    """Remove the paths whose condition is not met, empty folders, and the manifest."""
    paths = paths_by_key(project)
    left_out = [path for key in paths if not chosen(answers, key) for path in paths[key]]
    for path in (project / each for each in [*left_out, MANIFEST]):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        while (path := path.parent) != project and path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def without_seams(text: str) -> str:
    r"""Format each bracket marked with NOTE as `ruff format` would without a trailing comma.

    >>> print(without_seams(f"from app import ({NOTE}\n    health,\n    quotes,\n)\n"), end="")
    from app import health, quotes
    """
    lines = text.splitlines()
    for first in reversed([n for n, line in enumerate(lines) if line.endswith(NOTE)]):
        opening = lines[first].removesuffix(NOTE)
        indent = " " * (len(opening) - len(opening.lstrip()))
        last = next(
            n
            for n in range(first + 1, len(lines))
            if lines[n].startswith((f"{indent})", f"{indent}]"))
        )
        lines[first : last + 1] = shortest([opening, *lines[first + 1 : last + 1]], indent)
    return "\n".join(lines) + "\n"


def shortest(lines: list[str], indent: str) -> list[str]:
    """Join the lines of a bracket into one, or its items into one, or none, as the length allows.

    >>> shortest(["place(", "    basket,", "    owner,", ")"], indent="")
    ['place(basket, owner)']
    >>> shortest(["place(", "    basket,", "    # whose it is", "    owner,", ")"], indent="")
    ['place(', '    basket,', '    # whose it is', '    owner,', ')']
    """
    opening, *items, closing = lines
    deeper = f"{indent}    "
    plain = all(re.match(rf"{deeper}[^\s#].*,$", item) for item in items)
    if not items or not plain:
        return lines if items else [opening + closing.lstrip()]
    joined = " ".join(item.strip() for item in items)
    is_import = opening.lstrip().startswith("from ")
    is_tuple = not is_import and len(items) == 1 and opening.endswith((" (", "(("))
    content = joined if is_tuple else joined.removesuffix(",")
    one = (
        f"{opening.removesuffix('(')}{content}"
        if is_import
        else f"{opening}{content}{closing.lstrip()}"
    )
    if len(one) <= LINE_LENGTH:
        return [one]
    if not is_import and re.search(r"\w\($", opening) and len(deeper + content) <= LINE_LENGTH:
        return [opening, deeper + content, closing]
    return lines


if __name__ == "__main__":
    answers = json.loads(r"""{{ cookiecutter | jsonify }}""")
    prune(Path.cwd(), answers)
    for path in Path.cwd().rglob("*.py"):
        rendered = path.read_text()
        if NOTE in rendered:
            path.write_text(without_seams(rendered))
    if "_output_dir" in answers:  # not under cruft, whose updates generate in temporary folders
        folder = shlex.quote(str(Path.cwd()))
        print(f"\nThe service is ready. Next:\n    cd {folder}\n    make test\n    make run\n")
