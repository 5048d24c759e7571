"""Every distinct file that any answers can produce, packaging included: parsed, linted, whole."""

import ast
import json
import re
import tomllib
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment
from packaging.requirements import Requirement

from bakery import Bakery
from checks import LINK, fail_for, trace_of_template
from combinations import TREE, tree_files
from post_gen_project import NOTE
from rendering import TEXTS, exists, full, named, render, rendered, renderings

KINDS = list(TEXTS)
OWN = re.compile(r".*__init__\.py|conftest\.py|tests/(?!test_)\w+\.py")
"""What tells ruff which imported modules are the service's own: it stands in every tree."""


def strings(data: Any) -> list[str]:  # noqa: ANN401 - parsed data of any shape
    if isinstance(data, dict):
        return [text for pair in data.items() for each in pair for text in strings(each)]
    if isinstance(data, list):
        return [text for each in data for text in strings(each)]
    return [data] if isinstance(data, str) else []


def strings_of_python(text: str) -> list[str]:
    nodes = ast.walk(ast.parse(text))
    return [
        text for node in nodes if isinstance(node, ast.Constant) for text in strings(node.value)
    ]


class Reader(HTMLParser):
    """Collects what a person reads on a page, and the values of attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.extend(value or "" for _, value in attrs)


def strings_of_html(text: str) -> list[str]:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return [" ".join("".join(reader.found).split())]


def strings_of_env(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*=.*", line) for line in lines)
    return lines


def strings_of_requirements(text: str) -> list[str]:
    joined = text.replace("\\\n", " ")
    lines = [line.split("#")[0].strip() for line in joined.splitlines()]
    for line in filter(None, lines):
        if not line.startswith("-r "):
            requirement, *hashes = re.split(r"\s+--hash=", line)
            assert Requirement(requirement).specifier, line
            assert hashes, f"{line} has no hash"
            assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes), line
    return []


def strings_of_email(text: str) -> list[str]:
    Environment(autoescape=False).parse(text)  # noqa: S701  plain text
    assert re.match(r"\S.*\n\n\S", text), "a subject, an empty line, a text"
    return text.splitlines()


PARSERS: dict[str, Callable[[str], list[str]]] = {
    ".py": strings_of_python,
    ".pyi": strings_of_python,
    ".toml": lambda text: strings(tomllib.loads(text)),
    ".json": lambda text: strings(json.loads(text)),
    ".yaml": lambda text: [each for page in yaml.safe_load_all(text) for each in strings(page)],
    ".yml": lambda text: [each for page in yaml.safe_load_all(text) for each in strings(page)],
    ".html": strings_of_html,
    ".env.example": strings_of_env,
    "requirements.txt": strings_of_requirements,
    "requirements-audit.txt": strings_of_requirements,
    "requirements-aws.txt": strings_of_requirements,
    "requirements-dev.txt": strings_of_requirements,
    ".txt": strings_of_email,
}
# Checked by a tool, below or in test_nginx.py, or plain text in which anything may stand.
TOOLED = {"Dockerfile", "Makefile", ".md", ".conf"}
PLAIN = {
    "LICENSE",
    ".dockerignore",
    ".gitattributes",
    ".gitignore",
    ".js",
    ".css",
    ".svg",
    ".mako",
    "py.typed",
}


def file_type(path: str) -> str:
    file = Path(path)
    known = [*PARSERS, *TOOLED, *PLAIN]
    return next((each for each in known if each in (file.name, file.suffix)), "unknown")


def of_type(*suffixes: str) -> list[str]:
    return [path for path in tree_files() if file_type(path) in suffixes]


def distinct(path: str, kind: str) -> list[str]:
    return [text for text, _ in renderings(path, kind)]


@pytest.mark.parametrize("path", tree_files())
def test_somebody_knows_how_to_check_a_file(path: str) -> None:
    assert file_type(path) != "unknown", "say in test_files.py how to check this kind of file"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", tree_files())
def test_a_file_has_no_trace_of_its_template(path: str, kind: str, record_property: object) -> None:
    found = renderings(path, kind)
    assert callable(record_property)
    record_property("files", len(found))
    fail_for(
        [
            f"{path} with {named(answers, path)}: {what}"
            for text, answers in found
            for what, wrong in {
                "template code is left over": trace_of_template(path, text),
                "it is empty": not text.strip(),
                "it does not end with one line break": not re.search(r"\S\n\Z", text),
                "a line ends with blanks": re.search(r"[ \t]+$", text, re.MULTILINE),
                "three lines in a row are empty": "\n\n\n\n" in text,
            }.items()
            if wrong
        ]
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", of_type(*PARSERS))
def test_a_file_parses_and_free_text_arrives_in_it_as_it_was_typed(path: str, kind: str) -> None:
    parse = PARSERS[file_type(path)]
    expected, given = full("default"), full(kind)

    def retold(text: str) -> str:
        for name, default in expected.items():
            text = text.replace(default, f"\0{name}\0")
        for name, answer in given.items():
            text = text.replace(f"\0{name}\0", answer)
        return text

    for text, answers in renderings(path, kind):
        plain = text if kind == "default" else render(path, "default", answers)
        assert parse(text) == [retold(each) for each in parse(plain)]


@pytest.mark.parametrize(
    "kind", ["default", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])]
)
def test_python_and_its_settings_are_linted_and_formatted(
    kind: str, bakery: Bakery, tmp_path: Path
) -> None:
    """Lay the distinct files out as trees: the n-th holds the n-th version of each file."""
    rules = {
        str(tomllib.loads(text)["tool"]["ruff"]): text for text in distinct("pyproject.toml", kind)
    }
    versions = {path: distinct(path, kind) for path in of_type(".py", ".pyi")}
    for number in range(len(rules) * max(map(len, versions.values()))):
        tree = tmp_path / str(number)
        tree.mkdir()
        which, version = divmod(number, max(map(len, versions.values())))
        (tree / "pyproject.toml").write_text([*rules.values()][which])
        for path, texts in versions.items():
            if version < len(texts) or OWN.fullmatch(path):
                file = tree / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(texts[min(version, len(texts) - 1)])
    bakery.command(["ruff", "check", "--quiet", "."], tmp_path)
    bakery.command(["ruff", "format", "--check", "--quiet", "."], tmp_path)


def unjoined(text: str) -> str:
    """Leave what stands in noted brackets to the formatter: without notes and their last commas."""
    lines = text.splitlines()
    for first in [n for n, line in enumerate(lines) if line.endswith(NOTE)]:
        lines[first] = lines[first].removesuffix(NOTE)
        indent = len(lines[first]) - len(lines[first].lstrip())
        last = next(
            n for n in range(first + 1, len(lines)) if re.match(rf" {{{indent}}}[)\]]", lines[n])
        )
        lines[last - 1] = lines[last - 1].removesuffix(",")
    return "\n".join(lines) + "\n"


def test_what_is_rendered_has_no_seam_where_a_marker_stood(bakery: Bakery, tmp_path: Path) -> None:
    """The hook joins lines as the formatter does when no comma asks for one item a line."""
    written: dict[Path, str] = {}
    for path in of_type(".py"):
        if NOTE not in (TREE / path).read_text():
            continue
        for number, (text, answers) in enumerate(renderings(path, "default")):
            file = tmp_path / str(number) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(unjoined(rendered(path, "default", answers)))
            written[file] = text
    settings = ["--config", str(TREE / "pyproject.toml")]
    bakery.command(["ruff", "format", "--quiet", "--no-cache", *settings, "."], tmp_path)

    assert written
    fail_for([str(file) for file, text in written.items() if file.read_text() != text])


BEFORE_A_BRACKET = re.compile(r"\s*(from \S+ import|(async )?def \w+|class \w+)")


@pytest.mark.parametrize("path", of_type(".py"))
def test_each_import_signature_and_list_of_bases_with_a_marker_is_noted(path: str) -> None:
    lines = (TREE / path).read_text().splitlines()
    for number, line in enumerate(lines):
        if BEFORE_A_BRACKET.match(line) and line.split("#")[0].rstrip().endswith("("):
            indent = len(line) - len(line.lstrip())
            rest = lines[number + 1 :]
            last = next(n for n, each in enumerate(rest) if each.startswith(f"{' ' * indent})"))
            assert line.endswith(NOTE) == any("# {%" in each for each in rest[:last]), line


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", of_type("Dockerfile"))
def test_dockerfiles_pass_hadolint(path: str, kind: str, bakery: Bakery, tmp_path: Path) -> None:
    for text in distinct(path, kind):
        (tmp_path / "Dockerfile").write_text(text)
        bakery.command(["hadolint", "Dockerfile"], tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", of_type("Makefile"))
def test_make_reads_makefiles(path: str, kind: str, bakery: Bakery, tmp_path: Path) -> None:
    for text in distinct(path, kind):
        (tmp_path / "Makefile").write_text(text)
        bakery.command(["make", "-n", "help"], tmp_path)


@pytest.mark.parametrize("path", of_type(".md"))
def test_relative_links_lead_to_files_that_the_same_answers_keep(path: str) -> None:
    @cache
    def place(target: str) -> str:
        there = (TREE / path).parent / target.partition("#")[0]
        return str(there.resolve().relative_to(TREE))

    def links(text: str) -> list[str]:
        targets = LINK.findall(text)
        return [place(target) for target in targets if not re.match(r"[a-z]+:|#", target)]

    for text, answers in renderings(path, "default", tuple(links((TREE / path).read_text()))):
        gone = [target for target in links(text) if not exists(target, answers)]
        assert not gone, f"with {named(answers, path)}"
