"""Pages that repeat declarations of the code: `make docs` rewrites them, and a test compares them.

Only entries are rewritten: a row of a table, or the lines of one setting in `.env.example`. Their
order, the headings and the prose of a page are written by hand and kept.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from flask import Flask
from pydantic import ValidationError

from app.core import (  # one line where it fits
    errors,
    # {% if cookiecutter.metrics %}
    observability,
    # {% endif %}
    telemetry,
)
from app.core.config import CoreSettings, Environment
from app.core.process.cli import env_format

BEGIN = "<!-- from the code: make docs -->\n"
END = "<!-- end -->\n"
ROW = re.compile(r"^\| `(?P<key>[^`]+)` \|.*\n", re.MULTILINE)
PROBLEM = re.compile(r"^\| (?P<key>[0-9]+ \| `[^`]+`) \|.*\n", re.MULTILINE)
VARIABLE = re.compile(r"^\n(?:# .*\n)+#?(?P<key>[A-Z][A-Z0-9_]*)=.*\n", re.MULTILINE)
WRITTEN = {"app_env": str(Environment.DEVELOPMENT), "secret_key": ""}
"""Settings that `.env.example` sets; the others are commented out."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The text of one entry of a page."""

    key: str
    """The name that the entry is found by."""
    text: str
    heading: str = ""
    """The text above the first entry of a group, and so the name of the group."""


@dataclass(frozen=True, slots=True)
class Page:
    """A file, how its entries are found, and those that it must have."""

    file: Path
    pattern: re.Pattern[str]
    entries: list[Entry]

    def rewritten(self, text: str) -> str:
        """Return the text with every entry up to date.

        An entry that the code does not have is removed. One that the text does not have is added at
        the end of its group. Of entries with the same key, the first is rewritten.
        """
        before, begin, rest = text.rpartition(BEGIN)
        part, end, after = rest.partition(END)
        missing = {entry.key: entry.text for entry in self.entries}
        keys = frozenset(missing)

        def current(found: re.Match[str]) -> str:
            return missing.pop(found["key"], found[0] if found["key"] in keys else "")

        part = self.pattern.sub(current, part)
        for entry in [each for each in self.entries if each.key in missing]:
            group = {each.key for each in self.entries if each.heading == entry.heading}
            ends = [each.end() for each in self.pattern.finditer(part) if each["key"] in group]
            place = max(ends, default=len(part))
            added = entry.text if ends else entry.heading + entry.text
            part = part[:place] + added + part[place:]
        return before + begin + part + end + after


@dataclass(frozen=True, slots=True)
class _Setting:
    name: str
    group: str
    sentence: str
    default: str
    example: str
    required: bool


def docstrings(kind: type[CoreSettings]) -> dict[str, str]:
    """Return the docstring below each field of a class, its bases aside, from its source.

    Pydantic's `use_attribute_docstrings` does this for every class at import, in every process.
    """
    (tree,) = ast.parse(inspect.getsource(kind)).body
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in pairwise(ast.iter_child_nodes(tree))
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(below.value.value, str)
    }


def _settings(kind: type[CoreSettings]) -> Iterator[_Setting]:
    """Yield each setting, from its field and docstring and the docstring of its class."""
    usual, required = kind(app_env=Environment.DEVELOPMENT), _required(kind)
    for name, field in kind.model_fields.items():
        value = field.default if name == "app_env" else getattr(usual, name)
        default = env_format(value).strip("*")  # nothing is left of a masked secret
        owner = next(each for each in kind.__mro__ if name in inspect.get_annotations(each))
        yield _Setting(
            name=name,
            group=(inspect.getdoc(owner) or "").partition("\n")[0].rstrip("."),
            sentence=docstrings(owner).get(name, ""),
            default=default,
            example=WRITTEN.get(name, str(field.examples[0]) if field.examples else default),
            required=name in required,
        )


def _required(kind: type[CoreSettings]) -> frozenset[str]:
    """Return the names of the settings that production cannot do without."""
    found: list[str] = []
    try:
        kind(app_env=Environment.PRODUCTION)
    except ValidationError as error:
        found = [str(each["loc"][0]) for each in error.errors() if "is required in" in each["msg"]]
    return frozenset(found)


def _row(key: str, *cells: str) -> str:
    """Write the row of a table in Markdown, where a bar ends a cell and a bracket begins a tag."""
    escaped = [each.replace("|", "\\|").replace("<", "\\<") for each in cells]
    return f"| {' | '.join([key, *escaped])} |\n"


def _setting_row(setting: _Setting) -> Entry:
    default = f"`{setting.default}`" if setting.default else "none"
    if setting.required:
        usual = f"; {default} in development" if setting.default else ""
        default = f"required in production{usual}"
    heading = f"\n## {setting.group}\n\n| name | default | meaning |\n|---|---|---|\n"
    name = setting.name.upper()
    return Entry(name, _row(f"`{name}`", default, setting.sentence), heading)


def _setting_lines(setting: _Setting) -> Entry:
    sentence = setting.sentence + (" Required in production." if setting.required else "")
    comment = textwrap.fill(
        sentence,
        100,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    name = setting.name.upper()
    assignment = f"{'' if setting.name in WRITTEN else '#'}{name}={setting.example}"
    return Entry(name, f"\n{comment}\n{assignment}\n", f"\n## {setting.group}\n")


def _problem_rows() -> Iterator[Entry]:
    """Yield the problems of this service, by status."""
    for status, details in sorted(errors.codes(pages=True).items()):
        for code, detail in details.items():
            key = f"{status} | `{code}`"
            yield Entry(key, _row(key, detail))


def _log_rows() -> Iterator[Entry]:
    """Yield the fields of log lines that the core writes."""
    for name, field in telemetry.FIELDS.items():
        yield Entry(name, _row(f"`{name}`", field.kind, field.meaning))


# {% if cookiecutter.metrics %}
def _metric_rows(app: Flask) -> Iterator[Entry]:
    """Yield the metrics that this application has registered."""
    for each in observability.metrics.descriptions(app):
        row = _row(f"`{each.name}`", each.kind, ", ".join(each.labels), each.meaning)
        yield Entry(each.name, row)


# {% endif %}
def pages(app: Flask, kind: type[CoreSettings]) -> list[Page]:
    """Return the pages of the service whose application and settings these are."""
    folder, settings = Path(app.root_path).parent, list(_settings(kind))
    return [
        Page(folder / ".env.example", VARIABLE, [*map(_setting_lines, settings)]),
        Page(folder / "docs/settings.md", ROW, [*map(_setting_row, settings)]),
        Page(folder / "docs/problems.md", PROBLEM, [*_problem_rows()]),
        Page(folder / "docs/logs.md", ROW, [*_log_rows()]),
        # {% if cookiecutter.metrics %}
        Page(folder / "docs/metrics.md", ROW, [*_metric_rows(app)]),
        # {% endif %}
    ]


def init_app(app: Flask, settings: CoreSettings) -> None:
    """Add the command to `flask`."""

    @app.cli.command("write-docs")
    def write_docs() -> None:
        """Rewrite the reference pages and .env.example from the code."""
        for page in pages(app, type(settings)):
            text = page.file.read_text(encoding="utf-8")
            page.file.write_text(page.rewritten(text), encoding="utf-8")
