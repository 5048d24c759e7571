"""The lock tool, on small made-up graphs and on the files it wrote."""

import itertools
import json
import re
import textwrap
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import requires
from pathlib import Path

import pytest
from jinja2 import Environment, Template
from packaging.requirements import Requirement

import lock

ROOT = Path(__file__).parents[1]
TREE = ROOT / "{{cookiecutter.project_slug}}"
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text())
PINNED = [file for folder in (TREE, ROOT) for file in sorted(folder.glob("requirements*.txt"))]

PROJECT = """\
[project]
dependencies = [
    "flask>=3",
    # {% if cookiecutter.database != "none" %}
    "sqlalchemy>=2",
    # {% if cookiecutter.database == "mysql" %}
    "PyMySQL>=1",
    # {% endif %}
    # {% endif %}
]

[dependency-groups]
dev = [
    "pytest>=9",  # a comment
    # {% if cookiecutter.tracing %}
    "tracer[http]>=1",
    # {% endif %}
]
"""

# What uv prints, shortened: iniconfig and shared are reached by both groups.
RESOLVED = """\
flask==3.1 \\
    --hash=sha256:01
    # via -r roots.in
pymysql==1.2 ; python_full_version < '3.12' \\
    --hash=sha256:02
    # via -r roots.in
pymysql==1.3 ; python_full_version >= '3.12' \\
    --hash=sha256:03
    # via -r roots.in
pytest==9.2 \\
    --hash=sha256:04
    # via -r roots.in
shared==1.0 \\
    --hash=sha256:05 \\
    --hash=sha256:06
    # via
    #   pytest
    #   sqlalchemy
sqlalchemy==2.1 \\
    --hash=sha256:07
    # via -r roots.in
tracer==1.0 \\
    --hash=sha256:08
    # via -r roots.in
"""


def conditions(*used: str) -> lock.Conditions:
    questions = {"database": ["postgresql", "mysql", "none"], "tracing": True, "author": "x"}
    return lock.Conditions(questions, used)


def test_each_dependency_is_read_with_all_markers_around_it() -> None:
    assert lock.read_roots(PROJECT) == [
        lock.Root("runtime", "flask>=3"),
        lock.Root("runtime", "sqlalchemy>=2", ('cookiecutter.database != "none"',)),
        lock.Root(
            "runtime",
            "PyMySQL>=1",
            ('cookiecutter.database != "none"', 'cookiecutter.database == "mysql"'),
        ),
        lock.Root("dev", "pytest>=9"),
        lock.Root("dev", "tracer[http]>=1", ("cookiecutter.tracing",)),
    ]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('    "flask>=3",', '    # {% else %}\n    "flask>=3",', "line 3: only `if` and `endif`"),
        ('    "flask>=3",', '    # {% if x -%}\n    "flask>=3",', "line 3: only `if` and `endif`"),
        ('    "flask>=3",', "    # {% if x %}", "no `endif` for `if x`"),
        ('    "flask>=3",', '    "flask>=3", "click>=8",', "on a line of its own"),
        ('    "flask>=3",', "    'flask>=3',", "on a line of its own"),
        ('    "flask>=3",', '    "flask>=3",\n    # {% endif %}', "only `if` and `endif`"),
    ],
)
def test_what_is_not_understood_is_refused(old: str, new: str, complaint: str) -> None:
    with pytest.raises(lock.PinError, match=re.escape(complaint)):
        lock.read_roots(PROJECT.replace(old, new))


def test_a_dependency_cannot_depend_on_free_text() -> None:
    with pytest.raises(lock.PinError, match="`author`"):
        conditions('cookiecutter.author == "x"')


DATABASE, MYSQL = 'cookiecutter.database != "none"', 'cookiecutter.database == "mysql"'
TRACING = "cookiecutter.tracing"
NO_MYSQL = 'cookiecutter.database != "mysql"'


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([], None),
        ([TRACING], TRACING),
        ([MYSQL, DATABASE], DATABASE),
        ([TRACING, ""], ""),
        ([MYSQL, NO_MYSQL], ""),
        ([DATABASE, TRACING], f"{DATABASE} or {TRACING}"),
        ([f"{MYSQL} and {TRACING}", NO_MYSQL], f"{NO_MYSQL} or ({MYSQL} and {TRACING})"),
    ],
)
def test_conditions_are_joined_as_shortly_as_possible(
    terms: list[str], expected: str | None
) -> None:
    assert conditions(*terms).any_of(terms) == expected


@pytest.mark.parametrize(
    ("condition", "excluded", "expected"),
    [
        ("", TRACING, "not cookiecutter.tracing"),
        ("", DATABASE, 'cookiecutter.database == "none"'),
        ("", f"{MYSQL} or {TRACING}", f"not ({MYSQL} or {TRACING})"),
        ("", "", None),
        (MYSQL, DATABASE, None),
        (MYSQL, 'cookiecutter.database == "none"', MYSQL),
        (
            f"{MYSQL} or {TRACING}",
            DATABASE,
            f"({MYSQL} or {TRACING}) and {DATABASE.replace('!', '=')}",
        ),
    ],
)
def test_what_the_other_file_holds_already_is_left_out(
    condition: str, excluded: str, expected: str | None
) -> None:
    assert conditions(condition, excluded).without(condition, excluded) == expected


def test_every_package_gets_the_markers_of_the_roots_that_reach_it() -> None:
    roots = lock.read_roots(PROJECT)
    known = conditions(*(root.condition for root in roots))
    texts = lock.requirement_files(roots, lock.read_packages(RESOLVED), known, "# made\n")
    assert [*texts] == ["requirements.txt", "requirements-dev.txt"]
    runtime, dev = texts.values()
    assert runtime == textwrap.dedent("""\
        # made
        flask==3.1 \\
            --hash=sha256:01
        # {% if cookiecutter.database != "none" and cookiecutter.database == "mysql" %}
        pymysql==1.2 ; python_full_version < '3.12' \\
            --hash=sha256:02
        pymysql==1.3 ; python_full_version >= '3.12' \\
            --hash=sha256:03
        # {% endif %}
        # {% if cookiecutter.database != "none" %}
        shared==1.0 \\
            --hash=sha256:05 \\
            --hash=sha256:06
        sqlalchemy==2.1 \\
            --hash=sha256:07
        # {% endif %}
        """)
    assert dev == textwrap.dedent("""\
        # made
        -r requirements.txt
        pytest==9.2 \\
            --hash=sha256:04
        # {% if cookiecutter.database == "none" %}
        shared==1.0 \\
            --hash=sha256:05 \\
            --hash=sha256:06
        # {% endif %}
        # {% if cookiecutter.tracing %}
        tracer==1.0 \\
            --hash=sha256:08
        # {% endif %}
        """)


def test_a_requirement_that_names_a_place_is_never_written() -> None:
    package = lock.Package("here", ["here @ file:///somewhere"])
    with pytest.raises(lock.PinError, match="names a place"):
        lock.render("", [(package, "")])


# The files as they stand


def requirements(text: str) -> set[str]:
    """Return what a rendered file installs on this Python and platform."""
    found = re.findall(r"^[a-z0-9].*?(?= \\)", text, re.MULTILINE)
    return {parsed(each).name for each in found if applies(each, "")}


@cache
def parsed(text: str) -> Requirement:
    """Read a requirement; each one comes up in many combinations."""
    return Requirement(text)


@cache
def declared(name: str) -> list[str]:
    """Read what an installed package declares."""
    return requires(name) or []


@cache
def applies(text: str, extra: str) -> bool:
    """Return whether a requirement is for this Python and platform."""
    marker = parsed(text).marker
    return marker is None or marker.evaluate({"extra": extra})


@cache
def template(name: str) -> Template:
    """Compile a file of the tree."""
    jinja = Environment(**QUESTIONS["_jinja2_env_vars"], autoescape=False)  # noqa: S701  not HTML
    return jinja.from_string((TREE / name).read_text())


def closure(roots: Iterable[str]) -> set[str]:
    """Follow what the installed packages themselves declare, which is not how uv's graph came."""
    waiting, seen = [(root, "") for root in roots], set[tuple[str, str]]()
    while waiting:
        text, extra = waiting.pop()
        if not applies(text, extra):
            continue
        requirement = parsed(text)
        name = lock.normal(requirement.name)
        for wanted in {(name, each) for each in ("", *requirement.extras)} - seen:
            seen.add(wanted)
            waiting += [(each, wanted[1]) for each in declared(name)]
    return {name for name, _ in seen}


def variants() -> Iterator[dict[str, object]]:
    text = (TREE / "pyproject.toml").read_text()
    used = {
        name for root in lock.read_roots(text) for name in re.findall(r"\.(\w+)", root.condition)
    }
    named = {name: QUESTIONS[name] for name in sorted(used)}
    choices = [[True, False] if isinstance(each, bool) else each for each in named.values()]
    for picked in itertools.product(*choices):
        yield dict(zip(named, picked, strict=True))


@pytest.mark.parametrize(
    "answers", [*variants()], ids=lambda answers: " ".join(map(str, answers.values()))
)
def test_a_service_pins_exactly_what_its_dependencies_need(answers: dict[str, object]) -> None:
    def rendered(name: str) -> str:
        return template(name).render(cookiecutter={**QUESTIONS, **answers})

    project = tomllib.loads(rendered("pyproject.toml"))
    runtime, dev = project["project"]["dependencies"], project["dependency-groups"]["dev"]
    assert requirements(rendered("requirements.txt")) == closure(runtime)
    for group, asked in (
        ("audit", project["dependency-groups"]["audit"]),
        ("aws", project["project"]["optional-dependencies"]["aws"]),
    ):
        beyond = requirements(rendered(f"requirements-{group}.txt"))
        assert beyond == closure(asked) - closure(runtime)
    both = requirements(rendered("requirements.txt")) | requirements(
        rendered("requirements-dev.txt")
    )
    assert both == closure([*runtime, *dev])
    assert not requirements(rendered("requirements.txt")) & requirements(
        rendered("requirements-dev.txt")
    )


@pytest.mark.parametrize("file", PINNED, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_pinned_package_has_hashes_and_no_place(file: Path) -> None:
    text = file.read_text()
    assert "://" not in text
    assert " @ " not in text
    assert "--index" not in text
    for block in re.split(r"\n(?=\S)", text):
        if "==" in block and not block.startswith("#"):
            assert re.search(r" \\\n    --hash=sha256:[0-9a-f]{64}", block), block


def test_one_environment_can_hold_the_tools_and_the_service() -> None:
    versions: dict[str, set[str]] = {}
    for file in PINNED:
        for name, version in re.findall(r"^([a-z0-9-]+)==([^ ]+)", file.read_text(), re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    assert {name: each for name, each in versions.items() if len(each) > 1} == {}


def test_what_pyproject_asks_for_is_what_is_pinned() -> None:
    for folder in (TREE, ROOT):
        roots = lock.read_roots((folder / "pyproject.toml").read_text())
        text = "".join(file.read_text() for file in PINNED if folder in {file.parent, ROOT})
        pinned = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", text, re.MULTILINE))
        for root in roots:
            assert pinned[root.name] in Requirement(root.requirement).specifier
