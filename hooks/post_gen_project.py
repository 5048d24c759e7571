"""Remove what was not chosen from the new service and say how to start it."""

import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

Answers = dict[str, str | bool]
MANIFEST = "manifest.toml"  # comes with the tree and says what exists only with which answers
LINE_LENGTH = 100  # what the service's formatter allows
NOTE = "  # one line where it fits"
"""Stands behind a bracket whose lines the template has to keep apart, because markers stand between them."""


def paths_by_key(project: Path) -> dict[str, list[str]]:
    """Read the manifest: what exists only with the answers that a key names, if it exists at all."""
    manifest = tomllib.loads((project / MANIFEST).read_text())["only-with"]
    return {
        key: [each for path in paths for each in with_tests(path)]
        for key, paths in manifest.items()
    }


def with_tests(path: str) -> list[str]:
    """Return a path and where its tests are.

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


def chosen(answers: Answers, key: str) -> bool:
    """Tell whether what a key of the manifest names was answered.

    >>> chosen({"auth": "jwt", "tracing": False}, "auth=oidc or auth and tracing")
    False
    """
    for word, reduce in ((" or ", any), (" and ", all)):
        if word in key:
            return reduce(chosen(answers, each) for each in key.split(word))
    name, _, value = key.partition("=")
    return answers[name] == value if value else answers[name] not in (False, "none")


def prune(project: Path, answers: Answers) -> None:
    """Remove what is not wanted, the folders which that leaves empty, and the manifest."""
    found = paths_by_key(project)
    left_out = [path for key in found if not chosen(answers, key) for path in found[key]]
    for path in (project / each for each in [*left_out, MANIFEST]):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        while (path := path.parent) != project and path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def without_seams(text: str) -> str:
    """Write what stands in noted brackets as if no marker had ever kept its lines apart."""
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
    """Join a bracket's lines as the formatter would, had nobody asked for one item a line."""
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
