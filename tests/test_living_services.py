"""Answers that change later, in services with a database, rows, migrations and code of their owner.

For each answer: a service is generated, used, and extended by its owner; then the answer is switched on and
off again, on SQLite. On PostgreSQL and MariaDB one service goes through the covering set of all pairs of answers. After each step its database is migrated as docs/updating.md says: no row is lost, models and
database agree, and requests are answered. No migration is ever edited.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bakery import Bakery
from checks import CHEAP
from combinations import (
    TREE,
    Answers,
    Value,
    choices,
    combinations,
    covering_set,
    ident,
    mentions,
    nearest,
    runtime_answers,
)
from cruft_projects import MIGRATIONS, commit, contents, create, update

CLIENT = Path(__file__).with_name("living_client.py")
FIRST_MIGRATION = TREE / MIGRATIONS / "0001_create_tables.py"
OWN_MODEL = '''"""A table of the owner."""

from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class OwnRow(Base, kw_only=True):
    """A row of the owner."""

    __tablename__ = "own_rows"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
'''
OWN_LINE = "\n\nfrom app.health import own_rows  # noqa: E402, F401\n"
OWN_FILES = ("app/health/own_rows.py", "app/health/__init__.py", "migrations/retained.toml")

# Begun first: they wait for git, and each is minutes long.
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.usefixtures("at_home")]


@dataclass(frozen=True)
class Change:
    """Answers, and others that replace some of them later."""

    before: Answers
    after: Answers

    def __str__(self) -> str:
        """Name it for pytest."""
        names = [name for name in self.after if self.after[name] != self.before[name]]
        return f"{ident(self.before)}:{'-'.join(f'{name}:{self.after[name]}' for name in names)}"


def closest(start: Answers, **wanted: Value) -> Answers:
    """Change some answers, and of the others only what these need."""
    rows = (row for row in combinations() if wanted.items() <= row.items())
    return max(rows, key=lambda row: len(row.items() & start.items()))


def changes(start: Answers, names: set[str]) -> list[Change]:
    """List the change to each other value of these answers."""
    return [
        Change(start, closest(start, **{name: value}))
        for name in runtime_answers()
        if name in names
        for value in choices()[name]
        if value != start[name]
    ]


SMALLEST = nearest(
    {name: values[-1] if "none" in values else False for name, values in choices().items()}
    | {"database": "sqlite", "example": True}
)
"""The smallest service with the example, which the requests use."""
LARGEST = nearest(
    dict.fromkeys(choices(), True) | {"database": "postgresql", "auth": "jwt", "license": "MIT"}
)
# Services whose databases broke with the migrations of before
ONCE_BROKEN: list[tuple[Answers, Answers]] = [
    ({"auth": "jwt", "background_tasks": True}, {"webhooks": True}),
    ({"webhooks": True}, {"auth": "jwt"}),
    ({"auth": "oidc", "background_tasks": True}, {"web_ui": True}),
    ({"auth": "oidc", "web_ui": True}, {"auth": "jwt"}),
]
CHANGES = [
    *changes(SMALLEST, set(choices())),
    *changes(LARGEST, mentions(FIRST_MIGRATION.read_text())),
    *(
        Change(start := closest(SMALLEST, **before), closest(start, **after))
        for before, after in ONCE_BROKEN
    ),
]


def migrations(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / MIGRATIONS).glob("*.py")}


def extend(project: Path, *, with_table: bool) -> None:
    """Add the owner's own code, with a table where the service has and keeps a database."""
    face = project / "app" / "health" / "__init__.py"
    if with_table:
        (project / "app" / "health" / "own_rows.py").write_text(OWN_MODEL)
    face.write_text(face.read_text() + (OWN_LINE if with_table else "\n\n# The owner's own line\n"))
    commit(project)


class Owner:
    """The owner of a living service, who switches answers with cruft and migrates the database."""

    def __init__(self, bakery: Bakery, repository: Path, folder: Path, database: str) -> None:
        self.bakery = bakery
        self.repository = repository
        self.folder = folder
        self.database = database
        self.answers: Answers = {}

    def start(self, answers: Answers, *, with_table: bool, checkout: str | None = None) -> None:
        """Generate a service and use it, extend it, and use it again."""
        self.answers = answers
        self.project = create(self.repository, self.folder, answers, checkout)
        self.live()
        extend(self.project, with_table=with_table)
        self.live()

    def live(self) -> None:
        """Migrate and use the service; no row may be lost."""
        job = self.bakery.job(
            "script",
            self.project,
            "requirements-dev.txt",
            script=str(CLIENT),
            arguments=[self.database, str(self.folder / "journal.json")],
        )
        self.bakery.run(job)
        commit(self.project)

    def switch(self, answers: Answers) -> None:
        """Change all answers that differ; no migration may be edited or removed."""
        had = migrations(self.project)
        differ = {name for name in answers if answers[name] != self.answers[name]}
        update(self.project, **{name: answers[name] for name in differ})
        self.answers = answers
        assert migrations(self.project) == had
        fresh = self.bakery.bake(answers)
        assert contents(self.project, *OWN_FILES) == contents(fresh, *OWN_FILES)
        self.live()
        assert had.items() <= migrations(self.project).items()


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_an_answer_is_switched_on_and_off_in_a_living_service(
    repository: Path, tmp_path: Path, bakery: Bakery, change: Change
) -> None:
    owner = Owner(bakery, repository, tmp_path, f"sqlite:///{tmp_path}/service.db")
    databases = change.before["database"], change.after["database"]
    owner.start(change.before, with_table="none" not in databases)

    owner.switch(change.after)
    of_migrations = ["tests/test_migrations.py"] if change.after["database"] != "none" else []
    suite = ["-m", CHEAP, "app", *of_migrations]
    bakery.run(bakery.job("suite", owner.project, "requirements-dev.txt", arguments=suite))

    owner.switch(change.before)


@pytest.mark.parametrize("server", ["postgresql", "mysql"])
def test_a_living_service_on_a_server_goes_through_the_covering_set(
    repository: Path,
    tmp_path: Path,
    bakery: Bakery,
    server: str,
    new_database: Callable[[str], str],
) -> None:
    stops = [closest(row, database=server) for row in covering_set()]
    owner = Owner(bakery, repository, tmp_path, new_database(server))
    owner.start(closest(SMALLEST, database=server), with_table=True)

    for answers in stops:
        owner.switch(answers)
