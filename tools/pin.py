r"""Pin what the template was tested with: one resolution, written as requirement files with markers.

A requirements file takes `#` comments, so it is a template like any other file of the tree. Read
raw it installs every feature; rendered it holds only the packages that the answers need:

    # {% if cookiecutter.rate_limiting %}
    limits==5.8.0 \
        --hash=sha256:…
    # {% endif %}

Which answers need a package follows from the markers around the dependencies in the tree's
`pyproject.toml` and from the graph that uv writes into its `# via` comments.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from jinja2 import Environment

TEMPLATE = Path(__file__).parents[1]
OLDEST_PYTHON = "3.11"

# Settings of uv that may stay: where to ask and how to reach it. All others could change the
# result (extra indexes, local folders of wheels, constraints) and are left out.
UV_SETTINGS = ("UV_CACHE_DIR", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_NATIVE_TLS", "UV_OFFLINE")

IF = re.compile(r"\s*# \{% if (?P<condition>[^%]+?) %\}")
END = re.compile(r"\s*# \{% endif %\}")
TABLE = re.compile(r"\[(?P<name>[\w.-]+)\]")
OPENING = re.compile(r"(?P<key>[\w-]+) = \[")
ITEM = re.compile(r'\s+"(?P<requirement>[^"\\]+)",(\s+#.*)?')
NAME = re.compile(r"[A-Za-z0-9._-]+")


class PinError(SystemExit):
    """Stops with one sentence that says what is wrong."""


@dataclass(frozen=True)
class Root:
    """A dependency as written in `pyproject.toml`, with the markers around it."""

    group: str
    requirement: str
    conditions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name as package indexes spell it: `Flask_SQLAlchemy[x]>=3` is `flask-sqlalchemy`."""
        return normal(self.requirement)

    @property
    def condition(self) -> str:
        """All markers around it as one expression; empty when there is none."""
        return " and ".join(bracketed(part, " or ") for part in self.conditions)


@dataclass
class Package:
    """One package of the resolution: its lines in a requirements file and who asks for it."""

    name: str
    lines: list[str] = field(default_factory=list)
    parents: set[str] = field(default_factory=set)


def normal(requirement: str) -> str:
    """Return the normal form of the name that a requirement starts with."""
    match = NAME.match(requirement)
    if not match:
        raise PinError(f"{requirement!r} does not start with the name of a package")
    return re.sub(r"[._-]+", "-", match[0]).lower()


def bracketed(expression: str, operator: str) -> str:
    """Put brackets around an expression that holds an operator of lower rank."""
    return f"({expression})" if operator in expression else expression


# Reading pyproject.toml


def read_roots(text: str) -> list[Root]:
    """Read the dependencies of a `pyproject.toml`, each with the markers around it."""
    roots = list(_scan(text))
    found = sorted((root.group, root.requirement) for root in roots)
    if found != sorted(_declared(tomllib.loads(text))):
        raise PinError("write every dependency in pyproject.toml on a line of its own")
    return roots


def _declared(project: Mapping[str, Mapping[str, list[str]]]) -> Iterator[tuple[str, str]]:
    """Read the same dependencies as TOML does: what the scan found must agree with it."""
    for requirement in project["project"]["dependencies"]:
        yield "runtime", requirement
    for group, requirements in project.get("dependency-groups", {}).items():
        for requirement in requirements:
            yield group, str(requirement)


def _scan(text: str) -> Iterator[Root]:
    table, group = "", ""
    markers: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := IF.fullmatch(line):
            markers.append(match["condition"])
        elif END.fullmatch(line) and markers:
            markers.pop()
        elif "{%" in line:
            raise PinError(f"pyproject.toml, line {number}: only `if` and `endif` are understood")
        elif match := TABLE.fullmatch(line):
            table = match["name"]
        elif match := OPENING.fullmatch(line):
            group = _group(table, match["key"])
        elif line == "]":
            group = ""
        elif group and (match := ITEM.fullmatch(line)):
            yield Root(group, match["requirement"], tuple(markers))
    if markers:
        raise PinError(f"pyproject.toml: no `endif` for `if {markers[-1]}`")


def _group(table: str, key: str) -> str:
    if (table, key) == ("project", "dependencies"):
        return "runtime"
    return key if table == "dependency-groups" else ""


# Conditions


class Conditions:
    """Compares conditions by the sets of answers for which they hold."""

    def __init__(self, questions: Mapping[str, object], used: Iterable[str]) -> None:
        names = sorted({name for text in used for name in re.findall(r"cookiecutter\.(\w+)", text)})
        choices = [_choices(name, questions) for name in names]
        self._answers = [
            dict(zip(names, picked, strict=True)) for picked in itertools.product(*choices)
        ]

    @cached_property
    def always(self) -> frozenset[int]:
        """The set of all answers."""
        return frozenset(range(len(self._answers)))

    def holds(self, condition: str) -> frozenset[int]:
        """Return the answers for which a condition holds, by their positions."""
        if not condition:
            return self.always
        test: Callable[..., object] = Environment(autoescape=True).compile_expression(condition)
        return frozenset(
            position for position, answers in enumerate(self._answers) if test(cookiecutter=answers)
        )

    def any_of(self, conditions: Iterable[str]) -> str | None:
        """Join conditions by `or` as shortly as possible; None when there are none."""
        terms = sorted(set(conditions))
        if not terms:
            return None
        for term in sorted(terms, key=len, reverse=True):
            others = [other for other in terms if other != term]
            if self.holds(term) <= self._union(others):
                terms = others
        if self._union(terms) == self.always:
            return ""
        return " or ".join(bracketed(term, " and ") for term in terms)

    def without(self, condition: str, excluded: str) -> str | None:
        """Return `condition and not excluded` as shortly as possible; None if it never holds."""
        both = self.holds(condition) & self.holds(excluded)
        if both == self.holds(condition):
            return None
        if not both:
            return condition
        rest = negated(excluded)
        return f"{bracketed(condition, ' or ')} and {rest}" if condition else rest

    def _union(self, conditions: Iterable[str]) -> frozenset[int]:
        return frozenset[int]().union(*(self.holds(condition) for condition in conditions))


def _choices(name: str, questions: Mapping[str, object]) -> list[object]:
    match questions.get(name):
        case bool():
            return [True, False]
        case list() as choices:
            return choices
    raise PinError(f"pyproject.toml: a dependency cannot depend on the answer `{name}`")


def negated(condition: str) -> str:
    """Return the opposite of a condition, the way a person would write it."""
    if re.fullmatch(r"[\w.]+", condition):
        return f"not {condition}"
    if match := re.fullmatch(r'([\w.]+) (==|!=) ("[^"]*")', condition):
        return f"{match[1]} {'!=' if match[2] == '==' else '=='} {match[3]}"
    return f"not ({condition})"


# Resolving


def resolve(requirements: Iterable[str], *, pinned: str = "", fixed: Iterable[str] = ()) -> str:
    """Let uv choose versions for every Python and platform, with the hashes of all their files.

    Versions in `pinned` (an earlier result) are kept while they fit; `fixed` ones must be kept.
    """
    with tempfile.TemporaryDirectory() as folder:
        inputs, output, constraints = (
            Path(folder, name) for name in ("roots.in", "out.txt", "fixed.txt")
        )
        inputs.write_text("\n".join(requirements), encoding="utf-8")
        constraints.write_text("\n".join(fixed), encoding="utf-8")
        output.write_text(pinned, encoding="utf-8")
        subprocess.run(  # noqa: S603  no part of the command comes from outside
            [
                *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config"),
                *("--universal", "--python-version", OLDEST_PYTHON),
                # One version for all Pythons where there is one: what is pinned is what is tested.
                *("--fork-strategy", "fewest", "--generate-hashes"),
                *("--no-emit-index-url", "--no-header", "--annotation-style", "split"),
                *("--constraint", str(constraints), "--output-file", str(output), str(inputs)),
            ],
            check=True,
            env={
                name: value
                for name, value in os.environ.items()
                if not name.startswith("UV_") or name in UV_SETTINGS
            },
        )
        return output.read_text(encoding="utf-8")


def read_packages(text: str) -> dict[str, Package]:
    """Read what uv wrote: the packages in its order, without their `# via` comments."""
    packages: dict[str, Package] = {}
    package = Package("")
    for line in text.splitlines():
        if not line.startswith(" "):
            name = normal(line)
            package = packages.setdefault(name, Package(name))
        comment = line.strip().removeprefix("# via").removeprefix("#").strip()
        if not line.startswith("    #"):
            package.lines.append(line)
        elif comment and not comment.startswith(("-r ", "-c ")):
            package.parents.add(normal(comment))
    for package in packages.values():
        # The last hash before a comment ends in no backslash already; keep it so in every case.
        package.lines[-1] = package.lines[-1].removesuffix(" \\")
    return packages


def versions(packages: Iterable[Package]) -> list[str]:
    """Return the chosen versions without hashes, to hold another resolution to them."""
    return [
        line.removesuffix(" \\")
        for package in packages
        for line in package.lines
        if not line.startswith(" ")
    ]


# Writing


def reached_by(packages: Mapping[str, Package], roots: Iterable[Root]) -> dict[str, set[str]]:
    """Return for each package the conditions of the roots that need it, directly or not."""
    children: dict[str, list[str]] = {}
    for package in packages.values():
        for parent in package.parents:
            children.setdefault(parent, []).append(package.name)
    reached: dict[str, set[str]] = {}
    for root in roots:
        waiting, seen = [root.name], set[str]()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += children.get(name, [])
        for name in seen:
            reached.setdefault(name, set()).add(root.condition)
    return reached


def render(header: str, packages: Iterable[tuple[Package, str | None]]) -> str:
    """Write packages with their conditions; neighbours under the same one share its marker."""
    lines = [header.rstrip("\n")]
    needed = ((package, condition) for package, condition in packages if condition is not None)
    for condition, block in itertools.groupby(needed, key=lambda pair: pair[1]):
        body = [line for package, _ in block for line in package.lines]
        lines += [f"# {{% if {condition} %}}", *body, "# {% endif %}"] if condition else body
    text = "\n".join(lines) + "\n"
    if "://" in text or " @ " in text:
        raise PinError("a pinned requirement names a place: nothing was written")
    return text


def requirement_files(
    roots: list[Root], packages: Mapping[str, Package], conditions: Conditions, title: str
) -> tuple[str, str]:
    """Return the texts of `requirements.txt` and `requirements-dev.txt`."""
    runtime, dev = (
        {
            name: conditions.any_of(terms)
            for name, terms in reached_by(
                packages, [root for root in roots if (root.group == "runtime") is is_runtime]
            ).items()
        }
        for is_runtime in (True, False)
    )
    for_dev = (
        (package, _only_dev(conditions, dev.get(name), runtime.get(name)))
        for name, package in packages.items()
    )
    return (
        render(title, ((package, runtime.get(name)) for name, package in packages.items())),
        render(f"{title}-r requirements.txt\n", for_dev),
    )


def _only_dev(conditions: Conditions, dev: str | None, runtime: str | None) -> str | None:
    if dev is None or runtime is None:
        return dev
    return conditions.without(dev, runtime)


def pin(
    folder: Path,
    questions: Mapping[str, object],
    title: str,
    *,
    upgrade: bool,
    fixed: Iterable[str],
) -> dict[str, Package]:
    """Pin the dependencies of one `pyproject.toml` in the two files beside it."""
    roots = read_roots((folder / "pyproject.toml").read_text(encoding="utf-8"))
    files = [folder / "requirements.txt", folder / "requirements-dev.txt"]
    kept = "" if upgrade else "\n".join(_existing(file) for file in files)
    packages = read_packages(
        resolve((root.requirement for root in roots), pinned=kept, fixed=fixed)
    )
    conditions = Conditions(questions, (root.condition for root in roots))
    texts = requirement_files(roots, packages, conditions, title)
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    print(
        f"Pinned {len(packages)} packages in {folder.relative_to(TEMPLATE) / 'requirements*.txt'}"
    )
    return packages


def _existing(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return "\n".join(line for line in lines if not line.startswith("-r "))


def main() -> None:
    """Pin the tree, then the template's own tools at the same versions."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest of everything")
    upgrade = parser.parse_args().upgrade
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    tree = TEMPLATE / "{{cookiecutter.project_slug}}"
    lock = "# Made by `make lock` from pyproject.toml: change that file, then run it again.\n"
    packages = pin(tree, questions, lock, upgrade=upgrade, fixed=())
    own = "# Made by `make pin` from pyproject.toml: change that file, then run it again.\n"
    # One environment holds the template's tools and everything of the tree.
    pin(TEMPLATE, {}, own, upgrade=upgrade, fixed=versions(packages.values()))


if __name__ == "__main__":
    main()
