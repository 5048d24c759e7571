"""The fields of a new domain: `name:type[:unique][?][=default]`, and what the template writes for each.

A `Kind` is a type of fields. To add one, add it to `KINDS`, to `docs/domains.md` of the tree and to
`FIELDS` in `tests/test_domain.py`.
"""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

FIELD = re.compile(
    r"(?P<name>[^:]*):(?P<kind>[a-z]+)(?:\((?P<within>[^()]*)\))?"
    r"(?P<unique>:unique)?(?P<optional>\?)?(?:=(?P<default>.*))?",
    re.DOTALL,
)
NAME = re.compile("[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
MAX_INTEGER = 2**53 - 1
SOME_ID = "5f0c9a52-6a0e-4f57-9d3f-0c9f2b6f2a7e"
OTHER_ID = "0d5e2f39-7a56-4a39-8f0c-4a2a6a0c7b11"


def whole(text: str) -> str:
    """Return the literal of an integer that every JSON parser reads exactly."""
    number = int(text) if re.fullmatch("-?[0-9]{1,16}", text) else MAX_INTEGER + 1
    if abs(number) > MAX_INTEGER:
        raise ValueError
    return str(number)


def quoted(text: str) -> str:
    """Return the literal of a text as ruff writes it."""
    if not (text and text.isprintable() and len(text) <= 200):  # noqa: PLR2004 - as the schema
        raise ValueError
    return json.dumps(text, ensure_ascii=False)


def truth(text: str) -> str:
    """Return the literal of a boolean."""
    return {"true": "True", "false": "False"}[text]


def day(text: str) -> str:
    """Return the literal of a date."""
    found = date.fromisoformat(text)
    if str(found) != text:
        raise ValueError
    return f"date({found.year}, {found.month}, {found.day})"


def no_default(text: str) -> str:
    """Refuse every default."""
    raise ValueError(text)


@dataclass(frozen=True)
class Kind:
    """What the template writes for the fields of a type.

    `sample`, `other` and `wrong` are values of a request, as Python; `row` is that of a column. In those of a
    unique field, `number` is a variable.
    """

    annotation: str
    schema: str
    sample: str
    other: str
    wrong: str
    column: str = ""
    rule: str = ""
    row: str = ""
    unique_sample: str = ""
    unique_row: str = ""
    default: Callable[[str], str] = no_default
    example: str = "no default"
    """What a default looks like, for a message."""


def text_kind(length: str, column: str, unique: str = "") -> Kind:
    """Return a type of texts."""
    return Kind(
        annotation="str",
        schema="fields.String",
        sample='"some text"',
        other='"another text"',
        wrong="1",
        column=column,
        rule=f"validate=validate.Length(1, {length})",
        unique_sample=unique,
        default=quoted,
        example="a text of 1 to 200 characters",
    )


KINDS = {
    "str": text_kind("200", "String(200)", 'f"text {number}"'),
    "text": text_kind("10_000", "Text"),
    "int": Kind(
        annotation="int",
        schema="schemas.Integer",
        sample="1",
        other="2_000_000",
        wrong='"1"',
        column="BigInteger",
        unique_sample="number",
        default=whole,
        example="an integer of at most 16 digits",
    ),
    "bool": Kind(
        annotation="bool",
        schema="schemas.Boolean",
        sample="True",
        other="False",
        wrong='"true"',
        default=truth,
        example="true or false",
    ),
    "date": Kind(
        annotation="date",
        schema="schemas.Date",
        sample='"2026-01-31"',
        other='"2026-02-01"',
        wrong='"2026-02-30"',
        row="date(2026, 1, 31)",
        unique_sample="str(date(2026, 3, 1) + timedelta(number))",
        unique_row="date(2026, 3, 1) + timedelta(number)",
        default=day,
        example="a date such as 2026-01-31",
    ),
    "datetime": Kind(
        annotation="datetime",
        schema="schemas.Timestamp",
        sample='"2026-01-31T12:00:00+00:00"',
        other='"2026-02-01T12:00:00+00:00"',
        wrong='"2026-01-31"',
        row="NOON",
        unique_sample='f"2026-03-01T12:00:00.{number:06}+00:00"',
        unique_row="NOON + timedelta(seconds=number)",
    ),
    "uuid": Kind(
        annotation="UUID",
        schema="schemas.UUID",
        sample=f'"{SOME_ID}"',
        other=f'"{OTHER_ID}"',
        wrong='"x"',
        row=f'UUID("{SOME_ID}")',
        unique_sample="str(uuid4())",
        unique_row="uuid4()",
    ),
    "enum": Kind(annotation="", schema="fields.Enum", sample="", other="", wrong='"no such value"'),
    "ref": Kind(annotation="UUID", schema="schemas.UUID", sample="", other="", wrong='"x"'),
}
TYPES = ", ".join({"enum": "enum(a|b)", "ref": "ref(domain)"}.get(each, each) for each in KINDS)
NEVER_UNIQUE = {"bool", "enum", "text"}

# Names that the columns of every domain, its filters, or the base classes have
RESERVED = {
    "created_at",
    "cursor",
    "fingerprint",
    "id",
    "idempotency_key",
    "limit",
    "owner_id",
    "version",
}
# Names that would hide one of the base classes of models and schemas, or one that the classes use
HIDING = {
    *("bool", "context", "data", "date", "datetime", "declared_fields"),
    *("dict_class", "dump", "dump_fields", "dumps", "error_messages", "exclude"),
    *("fields", "get_attribute", "handle_error", "int", "load", "load_fields"),
    *("loads", "many", "mapped_column", "metadata", "on_bind_field", "only"),
    *("opts", "partial", "registry", "schemas", "set_class", "str"),
    *("unknown", "validate"),
}


@dataclass(frozen=True)
class Field:
    """A field as it was entered."""

    name: str
    kind: str
    within: str = ""
    unique: bool = False
    optional: bool = False
    default: str | None = None

    @property
    def attribute(self) -> str:
        """Return the name of its column: a reference holds an id."""
        return f"{self.name}_id" if self.kind == "ref" else self.name

    @property
    def choices(self) -> list[str]:
        """Return the values of an enumeration."""
        return self.within.split("|") if self.kind == "enum" else []

    def literal(self) -> str:
        """Return its default as Python, in a schema.

        Raises:
            ValueError: when it is no value of the type.

        """
        text = self.default or ""
        if self.kind == "enum":
            if text not in self.choices:
                raise ValueError
            return f"{{enum}}.{member(text)}"
        return KINDS[self.kind].default(text)


def member(value: str) -> str:
    """Return the name of the member of an enumeration."""
    return value.upper().replace("-", "_")


def parsed(text: str) -> tuple[list[Field], list[str]]:
    """Split the text of all fields; return those that have the form of one, and the problems of others."""
    fields, problems = [], []
    try:
        words = shlex.split(text)
    except ValueError:
        return [], ["FIELDS has a quotation mark without its counterpart."]
    for word in words:
        found = FIELD.fullmatch(word)
        if not found:
            problems.append(
                f"{word!r} is no field: write name:type, then :unique, ? or =default if needed."
            )
            continue
        fields.append(
            Field(
                found["name"],
                found["kind"],
                found["within"] or "",
                bool(found["unique"]),
                bool(found["optional"]),
                found["default"],
            )
        )
    if not words:
        problems.append("FIELDS is empty: a domain needs at least one field.")
    return fields, problems
