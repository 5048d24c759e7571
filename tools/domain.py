"""Add a domain to a service: check its name and fields, render its package, wire it and write its migration.

`make domain` of a service runs it in a clone of the template, at the commit that generated the service. All
problems are listed before a file is written.
"""

import ast
import keyword
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from cookiecutter.main import cookiecutter

from domain_fields import (
    HIDING,
    KINDS,
    NAME,
    NEVER_UNIQUE,
    RESERVED,
    SOME_ID,
    TYPES,
    Field,
    member,
    parsed,
)
from origin import git
from service import ROOT, refuse
from update import GeneratedService, Values

REFUSED = "Nothing was written"
TREE = ROOT / "{{cookiecutter.project_slug}}"
MAX_IDENTIFIER = 63  # PostgreSQL; MySQL has 64
TABLE = re.compile(r'^\s+__tablename__ = "(\w+)"$', re.MULTILINE)
# Names that mean something else in each package of a domain, or in SQL
TAKEN_NAMES = {
    *("core", "models", "repository", "routes", "schemas", "service", "tests"),
    *("groups", "keys", "references", "rows", "values"),
}
# Names of classes that the generated modules import
TAKEN_MODELS = {
    *("Any", "BigInteger", "Base", "Callable", "Connection", "CountQueries", "Enum"),
    *("Flask", "FlaskClient", "ForeignKey", "Index", "MakeApp", "Mapped", "Mapping"),
    *("None", "NotFound", "NotRequired", "Plan", "Response", "Row", "Rows"),
    *("Select", "Session", "Signal", "StrEnum", "String", "Text", "True"),
    *("TypedDict",),
}


def singular(name: str) -> str:
    """Return the name of one of them.

    >>> singular("invoices"), singular("categories"), singular("addresses"), singular("boxes")
    ('invoice', 'category', 'address', 'box')
    >>> singular("line_items"), singular("equipment"), singular("news"), singular("series")
    ('line_item', 'equipment', 'news', 'series')
    """
    if name.endswith(("news", "series", "species")) or not name.endswith("s"):
        return name
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    if name.endswith(("ches", "shes", "sses", "xes")):
        return name[:-2]
    return name if name.endswith("ss") else name[:-1]


def camel(name: str) -> str:
    """Return the name of a class.

    >>> camel("line_item")
    'LineItem'
    """
    return "".join(part.capitalize() for part in name.split("_"))


def article(word: str) -> str:
    """Return the indefinite article of a word.

    >>> article("invoice"), article("user"), article("customer")
    ('an', 'a', 'a')
    """
    return "an" if word[0] in "aeio" else "a"


class Service(GeneratedService):
    """A service to which a domain is added."""

    @property
    def app(self) -> Path:
        """The package of the service."""
        return self.folder / "app"

    @property
    def ruff(self) -> Path:
        """The formatter, in the version that the service pins."""
        return self.folder / ".venv" / "bin" / "ruff"

    def restore(self) -> None:
        """Take back all changes since the last commit; there were none before this program began."""
        git(self.folder, "reset", "--quiet", "--hard")
        git(self.folder, "clean", "--quiet", "--force", "-d")

    def changed(self) -> str:
        """List the files that are new or changed."""
        return git(self.folder, "status", "--short", "--untracked-files=all") or ""

    def tables(self, app: Path) -> set[str]:
        """List the tables of a package."""
        return {name for path in app.rglob("*.py") for name in TABLE.findall(path.read_text())}

    def defined(self, path: str) -> dict[str, ast.FunctionDef]:
        """Return the functions of a module of the service, by name."""
        file = self.app / path
        body = ast.parse(file.read_text()).body if file.is_file() else []
        return {each.name: each for each in body if isinstance(each, ast.FunctionDef)}

    def reference_problem(self, target: str) -> str | None:
        """Return why no field can refer to a domain."""
        if not NAME.fullmatch(target) or target not in self.tables(self.app / target):
            return "no domain has a table of this name"
        if "find" not in self.defined(f"{target}/service.py"):
            return f"app/{target}/service.py has no function `find`"
        if "make" not in self.defined(f"{target}/tests/__init__.py"):
            return f"app/{target}/tests/__init__.py has no function `make`"
        return None

    def owns(self, target: str) -> bool:
        """Return whether the rows of a domain have owners."""
        arguments = self.defined(f"{target}/service.py")["find"].args
        return "owner_id" in {each.arg for each in [*arguments.args, *arguments.kwonlyargs]}


def is_example(path: str) -> bool:
    """Return whether a path of the tree belongs to the example: a service without it may use the name."""
    only_with = tomllib.loads((TREE / "manifest.toml").read_text())["only-with"]
    return any(path in paths for key, paths in only_with.items() if key.startswith("example"))


def name_problems(name: str, service: Service) -> Iterator[str]:
    """Yield what is wrong with the name of a domain."""
    model = camel(singular(name))
    if not NAME.fullmatch(name):
        yield f"NAME is {name!r}: write a plural in lower case, such as invoices or line_items."
    elif keyword.iskeyword(name) or name in TAKEN_NAMES or model in TAKEN_MODELS:
        yield f"NAME {name!r} has a meaning in the code of a domain: choose another name."
    elif (service.app / name).exists() or (service.app / f"{name}.py").exists():
        yield f"NAME {name!r} is taken: app/{name} exists."
    elif name in service.tables(service.app):
        yield f"NAME {name!r} is taken: there is a table of this name."
    elif (TREE / "app" / name).exists() and not is_example(f"app/{name}"):
        yield f"NAME {name!r} is a domain of the template, which another answer can add: choose another name."


def form_problem(field: Field) -> str | None:
    """Return what is wrong with the name or the type of a field."""
    if not NAME.fullmatch(field.name) or keyword.iskeyword(field.name):
        return "write a name in lower case, such as due_on, that is no keyword of Python"
    if field.attribute in RESERVED or field.attribute in HIDING:
        return "this name is reserved: choose another one"
    if field.kind not in KINDS:
        return f"there is no type {field.kind!r}; the types are {TYPES}"
    if field.within and field.kind not in {"enum", "ref"}:
        return f"{field.kind} has no brackets"
    if field.unique and field.kind in NEVER_UNIQUE:
        return f"{field.kind} cannot be unique"
    return None


def choice_problem(field: Field) -> str | None:
    """Return what is wrong with the values of an enumeration."""
    names = [member(each) for each in field.choices]
    if not all(re.fullmatch("[a-z][a-z0-9]*([_-][a-z0-9]+)*", each) for each in field.choices):
        return "its values are words in lower case: enum(draft|sent)"
    if len(names) < 2 or len(set(names)) < len(names):  # noqa: PLR2004 - one value is no choice
        return "an enumeration has at least two values, each once: enum(draft|sent)"
    if max(map(len, names)) > 32:  # noqa: PLR2004 - the length of the column
        return "a value has at most 32 characters"
    return None


def field_problem(field: Field, service: Service, *, stored: bool) -> str | None:
    """Return the first problem of a field."""
    if problem := form_problem(field):
        return problem
    if field.kind == "enum" and (problem := choice_problem(field)):
        return problem
    if not stored and (field.kind == "ref" or field.unique):
        return "a service without a database has no references and nothing unique"
    if field.kind == "ref" and (problem := service.reference_problem(field.within)):
        return f"it refers to {field.within!r}, but {problem}"
    if field.default is not None:
        try:
            field.literal()
        except (KeyError, ValueError):
            example = KINDS[field.kind].example
            return f"its default is wrong: {'one of its values' if field.choices else example}"
    return None


def problems(name: str, text: str, service: Service, *, stored: bool) -> Iterator[str]:
    """Yield all problems of the arguments."""
    yield from name_problems(name, service)
    fields, found = parsed(text)
    yield from found
    names = [field.attribute for field in fields]
    for field in fields:
        if problem := field_problem(field, service, stored=stored):
            yield f"The field {field.name!r}: {problem}."
    for each in sorted({each for each in names if names.count(each) > 1}):
        yield f"The field {each!r} is there twice."
    longest = max((identifier(name, field) for field in fields), key=len, default="")
    if len(longest) > MAX_IDENTIFIER:
        yield f"{longest} is longer than {MAX_IDENTIFIER} characters: choose shorter names."


def identifier(table: str, field: Field) -> str:
    """Return the longest name of an index or constraint that a field causes."""
    if field.kind == "ref":
        index = f"ix_{table}_owner_id_{field.attribute}_created_at_id"
        return max(index, f"fk_{table}_{field.attribute}_{field.within}", key=len)
    if field.kind == "enum":
        return f"ix_{table}_owner_id_{field.attribute}_created_at_id"
    return f"uq_{table}_{field.attribute}"


def schema(field: Field, enum: str) -> str:
    """Return the field of the schema of a request."""
    kind = KINDS[field.kind]
    arguments = [f"{enum}, by_value=fields.String"] if field.kind == "enum" else []
    if field.default is not None:
        arguments.append(f"load_default={field.literal().format(enum=enum)}")
    elif field.optional:
        arguments.append("load_default=None")
    else:
        arguments.append("required=True")
    if field.optional:
        arguments.append("allow_none=True")
    if kind.rule:
        arguments.append(kind.rule)
    if field.kind not in {"bool", "enum", "int"}:
        # API consoles fill a text without an example with random characters.
        example = kind.sample or f'"{SOME_ID}"'
        arguments.append(f'metadata={{"example": {example}}}')
    return f"{kind.schema}({', '.join(arguments)})"


def column(field: Field, enum: str) -> str:
    """Return the column of a field, behind its annotation."""
    arguments = [KINDS[field.kind].column] if KINDS[field.kind].column else []
    if field.kind == "enum":
        arguments.append(
            f'Enum({enum}, name="{field.attribute}", native_enum=False, create_constraint=True,'
            " length=32, values_callable=lambda kind: [each.value for each in kind])"
        )
    if field.kind == "ref":
        # The rows of an account that is deleted go with it; other rows that are referred to stay.
        gone = ', ondelete="SET NULL"' if field.optional else ', ondelete="CASCADE"'
        arguments.append(
            f'ForeignKey("{field.within}.id"{gone if field.within == "users" else ""})'
        )
    if field.unique:
        arguments.append("unique=True")
    return f" = mapped_column({', '.join(arguments)})" if arguments else ""


def default_in_json(field: Field) -> str:
    """Return what a field has that a request leaves out, as Python; empty if it must be there."""
    if field.default is None:
        return "None" if field.optional else ""
    if field.kind in {"bool", "int"}:
        return field.literal()
    return (
        repr(field.default).replace("'", '"') if '"' not in field.default else repr(field.default)
    )


def samples(field: Field, enum: str) -> Values:
    """Return the values of a field in the tests."""
    kind = KINDS[field.kind]
    found = {
        "sample": kind.unique_sample if field.unique else kind.sample,
        "other": kind.other,
        "row": kind.row or kind.sample,
        "wrong": kind.wrong,
    }
    if field.unique:
        found["row"] = kind.unique_row or kind.unique_sample
    if field.kind == "enum":
        first, second = field.choices[:2]
        found |= {"sample": f'"{first}"', "other": f'"{second}"'}
        found["row"] = f"{enum}.{member(first)}"
    if field.kind == "ref":
        made = MADE.get(field.within, f"make_{singular(field.within)}(app)")
        found |= {"sample": f"str({made})", "other": f"str({made})", "row": made}
    return found


MADE = {"users": "make_user(app, new_address())"}


def described(field: Field, model: str) -> Values:
    """Return what the template writes for a field."""
    enum = f"{model}{camel(field.name)}" if field.kind == "enum" else ""
    annotation = enum or KINDS[field.kind].annotation
    by = {"enum": f"fields.Enum({enum}, by_value=fields.String)", "ref": "schemas.UUID()"}
    return {
        "name": field.name,
        "attribute": field.attribute,
        "label": field.name.replace("_", " "),
        "annotation": f"{annotation} | None" if field.optional else annotation,
        "column": column(field, enum),
        "schema": schema(field, enum),
        "filter": by.get(field.kind, ""),
        "enum": enum,
        "choices": [(member(each), each) for each in field.choices],
        "target": field.within if field.kind == "ref" else "",
        "unique": field.unique,
        "default": default_in_json(field),
        **samples(field, enum),
    }


def indexes(fields: list[Field], *, owned: bool) -> list[str]:
    """List the columns of each index: one for each order and restriction of a list, and each foreign key."""
    start = ["owner_id"] if owned else []
    wanted = [
        [*start, "created_at", "id"],
        *(
            [*start, field.attribute, "created_at", "id"]
            for field in fields
            if field.kind in {"enum", "ref"}
        ),
        *([field.attribute] for field in fields if owned and field.kind == "ref"),
    ]
    return [", ".join(f'"{each}"' for each in columns) for columns in wanted]


def test_imports(targets: list[str]) -> list[str]:
    """List the imports of what creates the rows that others refer to."""
    more = {"users": ", new_address"}
    return [
        f"from app.{each}.tests import make as make_{singular(each)}{more.get(each, '')}"
        for each in targets
    ]


def context(name: str, fields: list[Field], service: Service) -> Values:
    """Return the variables of the domain's template."""
    answers = service.answers()
    one = singular(name)
    lines = [described(field, camel(one)) for field in fields]
    targets = sorted({field.within for field in fields if field.kind == "ref"})
    return {
        "name": name,
        "path": name.replace("_", "-"),
        "label": one.replace("_", " "),
        "plural_label": name.replace("_", " "),
        "singular": one,
        "model": camel(one),
        "article": article(one),
        **{each: answers[each] for each in ("database", "auth", "metrics")},
        "_fields": lines,
        "_samples": " ".join(str(each["sample"]) for each in lines),
        "_filters": [field.attribute for field in fields if field.kind in {"enum", "ref"}],
        "_enums": [field.name for field in fields if field.kind == "enum"],
        "_targets": targets,
        "_owned_targets": [each for each in targets if service.owns(each)],
        "_indexes": indexes(fields, owned=answers["auth"] != "none"),
        "_unique": any(field.unique for field in fields),
        "_required": any(not field.optional and field.default is None for field in fields),
        "_optional": any(field.optional or field.default is not None for field in fields),
        "_test_imports": test_imports(targets),
    }


def run_ruff(service: Service, *paths: Path) -> None:
    """Remove unused imports, sort the others, and format files as a person would have written them."""
    joined = "format.skip-magic-trailing-comma=true"
    together = "lint.isort.split-on-trailing-comma=false"
    for command in (
        ("check", "--fix-only", "--unsafe-fixes", "--select", "F401,I", "--config", together),
        ("format", "--config", together, "--config", joined),
        ("format",),
    ):
        subprocess.run(  # noqa: S603 - the service's own tool
            [service.ruff, *command, "--quiet", *paths], cwd=service.folder, check=True
        )


def render(service: Service, variables: Values) -> Path:
    """Render the package of a domain into the service, and format it."""
    kind = "stored" if variables["database"] != "none" else "stateless"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(
            cookiecutter(
                str(ROOT),
                directory=f"domain/{kind}",
                no_input=True,
                extra_context=variables,
                output_dir=folder,
                default_config=True,
            )
        )
        if variables["auth"] == "none":
            (made / "tests" / "access_rules.py").unlink()
        package = service.app / str(variables["name"])
        shutil.copytree(made, package)
    run_ruff(service, package)
    return package


def wire(service: Service, name: str) -> None:
    """Add a domain to the tuple in `app/domains.py`.

    Raises:
        ValueError: when the file has no such tuple.

    """
    file = service.app / "domains.py"
    text = file.read_text()
    lines = text.splitlines()
    tree = ast.parse(text).body
    [place] = [each for each in tree if is_list_of_domains(each)]
    listed = [ast.unparse(each) for each in place.value.elts]  # type: ignore[attr-defined]  # a tuple
    entries = ", ".join([*listed, name])
    target = lines[place.lineno - 1].partition("=")[0].rstrip()
    lines[place.lineno - 1 : place.end_lineno] = [f"{target} = ({entries},)"]
    last = max(
        (each.end_lineno or 0 for each in tree if isinstance(each, ast.Import | ast.ImportFrom)),
        default=0,
    )
    lines.insert(last, f"from app import {name}")
    file.write_text("\n".join(lines) + "\n")
    run_ruff(service, file)


def is_list_of_domains(statement: ast.stmt) -> bool:
    """Return whether a statement assigns a tuple to DOMAINS."""
    return (
        isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and statement.target.id == "DOMAINS"
        and isinstance(statement.value, ast.Tuple)
    )


def wiring_problem(service: Service) -> str | None:
    """Return why a domain cannot be wired."""
    file = service.app / "domains.py"
    try:
        body = ast.parse(file.read_text()).body if file.is_file() else []
    except SyntaxError:
        body = []
    if sum(map(is_list_of_domains, body)) != 1:
        return (
            "app/domains.py has no tuple `DOMAINS: tuple[Domain, ...] = (…)` to add the domain to."
        )
    return None


def add(service: Service, name: str, text: str) -> None:
    """Add a domain to a service.

    Raises:
        SystemExit: with all problems of the arguments, and when a step fails; then nothing is left behind.

    """
    stored = service.answers()["database"] != "none"
    found = [*problems(name, text, service, stored=stored)]
    found += filter(None, [wiring_problem(service), service.uncommitted()])
    refuse(REFUSED, found)
    if stored and not service.make("migrate"):
        sys.exit(f"{REFUSED}: the development database could not be migrated.")
    fields, _ = parsed(text)
    try:
        render(service, context(name, fields, service))
        wire(service, name)
        require(not stored or service.make("makemigration", f"m=create {name}"))
        require(service.make("docs"))
    except BaseException:
        service.restore()
        print(f"{REFUSED}, because of this:", file=sys.stderr)
        raise
    report(service, name)


def require(done: bool) -> None:  # noqa: FBT001 - the status of a command
    """Exit if a command has failed; it has printed why."""
    if not done:
        sys.exit(1)


def report(service: Service, name: str) -> None:
    """Print the files that were written, and what to do next."""
    print(service.changed())
    print(f"Added the domain {name}. Read the migration, then: make lint test")


def main(folder: str) -> None:
    """Add the domain that NAME and FIELDS describe."""
    service = Service(Path(folder))
    service.refuse_without_record()
    add(service, os.environ.get("NAME", ""), os.environ.get("FIELDS", ""))


if __name__ == "__main__":
    main(*sys.argv[1:])
