"""`make domain`: each type of fields in each combination of answers that the domain's templates mention."""

import doctest
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import checks
import domain
import real_servers
from bakery import Bakery
from combinations import ROOT, TREE, Answers, choices, combinations, ident, mentions, nearest
from cruft_projects import commit, git
from domain_fields import KINDS

STEPS = Path(__file__).with_name("domain_steps.py")
ALL_TYPES = (
    "code:str:unique title:str='Two words' subtitle:str?=none body:text remark:text? number:int:unique "
    "amount:int=-3 limit_cents:int? paid:bool draft:bool=true starred:bool? due_on:date first_on:date:unique "
    "since:date=2026-02-03 until:date? sent_at:datetime seen_at:datetime:unique read_at:datetime? "
    "trace:uuid key:uuid:unique device:uuid? status:enum(new|in-progress|done) level:enum(low|high)=low "
    "mood:enum(good|bad)?"
)
REFERENCES = " customer:ref(customers) payer:ref(customers)?"
SIX = "number:str:unique total_cents:int due_on:date paid:bool=false status:enum(draft|sent) note:text?"


def templates() -> list[Path]:
    return [
        path for path in (ROOT / "domain").rglob("*") if path.is_file() and path.suffix == ".py"
    ]


def rows() -> list[Answers]:
    """List combinations with each choice of the answers that the domain's templates mention."""
    names = {"database", *set().union(*(mentions(path.read_text()) for path in templates()))}
    asked = [name for name in choices() if name in names]
    found: dict[tuple[object, ...], Answers] = {}
    for row in combinations():
        stored = row["database"] != "none"
        metrics = row["metrics"] if stored else None
        key = tuple(
            stored if name == "database" else row[name] for name in asked if name != "metrics"
        )
        if row["database"] in {"postgresql", "none"}:
            found.setdefault((*key, metrics), row)
    return list(found.values())


@pytest.fixture(autouse=True)
def _without_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUFF_NO_CACHE", "true")


class BakedService(domain.Service):
    """A service of the bakery, whose make targets run as jobs."""

    def __init__(self, bakery: Bakery, answers: Answers, folder: Path) -> None:
        super().__init__(bakery.bake(answers))
        self.bakery = bakery
        self.database = f"sqlite:///{folder}/service.db"
        context = json.loads((ROOT / "cookiecutter.json").read_text())
        texts = {name: str(value) for name, value in context.items() if isinstance(value, str)}
        texts["project_slug"] = self.folder.name
        record = {"context": {"cookiecutter": {**texts, **answers}}}
        self.record.write_text(json.dumps(record))
        commit(self.folder)

    @property
    def ruff(self) -> Path:
        return Path(sys.prefix) / "bin" / "ruff"

    def make(self, *arguments: str) -> bool:
        step, *message = arguments
        job = self.bakery.job(
            "script",
            self.folder,
            "requirements-dev.txt",
            script=str(STEPS),
            arguments=[step, self.database, *(each.removeprefix("m=") for each in message or [""])],
        )
        self.bakery.run(job)
        if step == "makemigration":
            for command in (("check", "--fix-only"), ("format",)):
                subprocess.run(
                    [self.ruff, *command, "--quiet", "migrations"], cwd=self.folder, check=True
                )
        return True

    def add(self, name: str, fields: str) -> None:
        domain.add(self, name, fields)
        commit(self.folder)

    def run(self, *paths: str, covered: str = "", **env: str) -> None:
        """Run some of the service's tests; those of domains cover each line and branch of them."""
        more = {"coverage": {"include": covered.split(",")}} if covered else {}
        job = self.bakery.job(
            "suite", self.folder, "requirements-dev.txt", env=env, arguments=[*paths], **more
        )
        self.bakery.run(job)

    def check(self) -> None:
        """Check what `make lint` checks."""
        shutil.rmtree(self.folder / ".git")
        self.record.unlink()
        checks.linted_and_formatted(self.bakery, self.folder)
        checks.layered(self.bakery, self.folder)
        checks.typed(self.bakery, self.folder)
        checks.no_trace_of_jinja(self.folder)


COMMON = (
    "tests/test_domains.py",
    "tests/test_architecture.py",
    "tests/core/process/test_reference.py",
)
FUZZ = '''"""Made up by the template's tests."""

import pytest

from conftest import MakeApp
from tests import test_fuzzing

pytestmark = test_fuzzing.pytestmark


def test_no_request_breaks_a_promise_of_the_document(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    test_fuzzing.fuzz(make_app(), subtests, "/api/v1/line-items")
'''


@pytest.mark.parametrize("answers", rows(), ids=ident)
def test_domains_with_fields_of_every_type_pass_every_check(
    bakery: Bakery, tmp_path: Path, answers: Answers
) -> None:
    service = BakedService(bakery, answers, tmp_path)
    stored = answers["database"] != "none"
    references = REFERENCES + (
        " clerk:ref(users) helper:ref(users)?" if answers["auth"] == "jwt" else ""
    )
    fields = ALL_TYPES + references if stored else ALL_TYPES.replace(":unique", "")

    service.add("customers", "name:str?")
    service.add("line_items", fields)

    rules = ("tests/test_access_rules.py",) if answers["auth"] != "none" else ()
    (service.folder / "tests" / "test_made_up.py").write_text(FUZZ)
    service.run(
        "app/line_items", "app/customers", *rules, covered="app/line_items/*,app/customers/*"
    )
    service.run(*COMMON, "tests/test_made_up.py")
    (service.folder / "tests" / "test_made_up.py").unlink()
    service.check()


@pytest.fixture(scope="module")
def app_folder(all_services: Bakery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy a service with accounts, for tests that write nothing."""
    answers = nearest({"database": "sqlite", "auth": "jwt", "webhooks": False})
    folder = tmp_path_factory.mktemp("service") / "service"
    shutil.copytree(all_services.bake(answers), folder)
    return folder


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "write a plural in lower case"),
        ("Invoices", "write a plural in lower case"),
        ("line-items", "write a plural in lower case"),
        ("../invoices", "write a plural in lower case"),
        ("while", "has a meaning in the code of a domain"),
        ("core", "has a meaning in the code of a domain"),
        ("connections", "has a meaning in the code of a domain"),
        ("groups", "has a meaning in the code of a domain"),
        ("users", "is taken: app/users exists"),
        ("settings", "is taken: app/settings exists"),
        ("audit_entries", "is taken: there is a table of this name"),
        ("webhooks", "is a domain of the template, which another answer can add"),
    ],
)
def test_a_bad_name_is_refused_with_one_sentence(
    app_folder: Path, name: str, sentence: str
) -> None:
    (found,) = domain.problems(name, "note:text", domain.Service(app_folder), stored=True)

    assert sentence in found


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("", "FIELDS is empty"),
        ("number", "'number' is no field"),
        ("number:str:primary", "'number:str:primary' is no field"),
        ("number:str('", "a quotation mark without its counterpart"),
        ("Number:str", "write a name in lower case"),
        ("class:str", "no keyword of Python"),
        ("id:uuid", "this name is reserved"),
        ("owner_id:uuid", "this name is reserved"),
        ("owner:ref(users)", "this name is reserved"),
        ("version:int", "this name is reserved"),
        ("created_at:datetime", "this name is reserved"),
        ("metadata:text", "this name is reserved"),
        ("date:date", "this name is reserved"),
        ("price:money", "there is no type 'money'; the types are str, text, int"),
        ("number:str(20)", "str has no brackets"),
        ("paid:bool:unique", "bool cannot be unique"),
        ("note:text:unique", "text cannot be unique"),
        ("status:enum(a|b):unique", "enum cannot be unique"),
        ("status:enum", "words in lower case"),
        ("status:enum(Draft|Sent)", "words in lower case"),
        ("status:enum(draft)", "at least two values, each once"),
        ("status:enum(draft|draft)", "at least two values, each once"),
        ("status:enum(in-progress|in_progress)", "at least two values, each once"),
        (f"status:enum(draft|{'s' * 33})", "at most 32 characters"),
        ("status:enum(draft|sent)=paid", "its default is wrong: one of its values"),
        ("customer:ref", "it refers to '', but no domain has a table of this name"),
        ("customer:ref(customers)", "it refers to 'customers', but no domain has a table"),
        ("quote:ref(quotes)", "it refers to 'quotes', but no domain has a table"),
        ("entry:ref(../users)", "but no domain has a table of this name"),
        (
            "admin:ref(sessions)",
            "it refers to 'sessions', but app/sessions/service.py has no function `find`",
        ),
        ("paid:bool=yes", "its default is wrong: true or false"),
        ("count:int=one", "its default is wrong: an integer of at most 16 digits"),
        ("count:int=9007199254740992", "its default is wrong"),
        ("due_on:date=2026-02-30", "its default is wrong: a date such as 2026-01-31"),
        ("due_on:date=20260203", "its default is wrong"),
        ("sent_at:datetime=now", "its default is wrong: no default"),
        ("trace:uuid=1", "its default is wrong: no default"),
        ("user:ref(users)=1", "its default is wrong: no default"),
        ("title:str=", "its default is wrong: a text of 1 to 200 characters"),
        ("number:str number:int", "The field 'number' is there twice"),
        ("user:ref(users) user_id:uuid", "The field 'user_id' is there twice"),
        (f"{'a' * 40}:enum(a|b)", "is longer than 63 characters: choose shorter names"),
    ],
)
def test_a_bad_field_is_refused_with_one_sentence(
    app_folder: Path, field: str, sentence: str
) -> None:
    (found,) = domain.problems("invoices", field, domain.Service(app_folder), stored=True)

    assert sentence in found


def test_without_the_example_its_names_are_free(all_services: Bakery, tmp_path: Path) -> None:
    answers = nearest({"database": "sqlite", "auth": "none", "example": False})
    shutil.copytree(all_services.bake(answers), tmp_path / "service")
    service = domain.Service(tmp_path / "service")

    assert [*domain.problems("orders", SIX, service, stored=True)] == []


def test_without_a_database_nothing_refers_and_nothing_is_unique(app_folder: Path) -> None:
    service = domain.Service(app_folder)

    for field in ("user:ref(users)", "number:str:unique"):
        (found,) = domain.problems("invoices", field, service, stored=False)
        assert "a service without a database" in found


def test_all_problems_are_printed_at_once_and_nothing_is_written(
    bakery: Bakery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = nearest({"database": "sqlite", "auth": "none"})
    service = BakedService(bakery, answers, tmp_path)
    (service.folder / "mine.txt").write_text("not committed")
    (service.app / "domains.py").write_text("DOMAINS = []\n")
    before = git(service.folder, "status", "--porcelain")

    with pytest.raises(SystemExit) as refused:
        service.add("Invoices", "number paid:bool=maybe id:uuid")

    message = f"{refused.value.code}{capsys.readouterr().err}"
    for sentence in (
        "Nothing was written",
        "NAME is 'Invoices'",
        "'number' is no field",
        "'paid': its default is wrong",
        "'id': this name is reserved",
        "app/domains.py has no tuple",
        "There are uncommitted changes",
    ):
        assert sentence in message
    assert git(service.folder, "status", "--porcelain") == before


def test_a_step_that_fails_leaves_nothing_behind(
    bakery: Bakery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = BakedService(bakery, nearest({"database": "sqlite", "auth": "none"}), tmp_path)
    monkeypatch.setattr(BakedService, "make", lambda _service, *step: step == ("migrate",))

    with pytest.raises(SystemExit):
        service.add("invoices", SIX)

    assert git(service.folder, "status", "--porcelain") == ""
    assert not (service.app / "invoices").exists()


def test_the_names_of_one_and_of_many() -> None:
    assert doctest.testmod(domain).failed == 0


def test_the_page_has_a_row_for_each_type() -> None:
    page = (TREE / "docs" / "domains.md").read_text()

    for kind in KINDS:
        assert re.search(rf"^\| `{kind}[(`]", page, re.MULTILINE), kind


@pytest.mark.parametrize(("server", "database"), [("postgresql", "postgresql"), ("mysql", "mysql")])
def test_a_domain_passes_its_tests_on_a_real_server(
    bakery: Bakery, tmp_path: Path, server: str, database: str
) -> None:
    urls = real_servers.needed(server)
    answers = nearest({"database": database, "auth": "jwt", "metrics": False})
    service = BakedService(bakery, answers, tmp_path)

    service.add("customers", "name:str?")
    service.add("line_items", f"{ALL_TYPES}{REFERENCES} clerk:ref(users)")

    migrations = "tests/test_migrations.py"
    service.run("app/line_items", "app/customers", migrations, TEST_DATABASE_URL=urls[server])
