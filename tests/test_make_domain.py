"""`make domain` in a service, by its own Makefile: one command, then `make lint test` passes."""

import re
import time
from pathlib import Path

import pytest

from bakery import Bakery, spent
from checks import CHEAP
from combinations import Answers, choices, nearest
from cruft_projects import commit
from test_update import Owner, owner_of

pytestmark = [pytest.mark.slow, pytest.mark.long]

ANSWERS: Answers = nearest(
    {name: "none" if "none" in values else False for name, values in choices().items()}
    | {"database": "sqlite", "auth": "jwt", "metrics": True, "example": False}
)
SIX = "number:str:unique total_cents:int due_on:date status:enum(draft|sent)=draft customer:ref(customers) note:text?"
MAX_CPU_SECONDS = 20
MAX_FILES = 12


@pytest.fixture
def owner(bakery: Bakery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    monkeypatch.setenv("HOME", str(tmp_path))
    return owner_of(ANSWERS, bakery, tmp_path)


def test_a_domain_is_added_by_one_command_and_passes_at_once(
    owner: Owner, capsys: pytest.CaptureFixture[str]
) -> None:
    owner.make("domain", "NAME=customers", "FIELDS=name:str email:str?")
    commit(owner.project)
    # The domain is that of the commit which generated the service, whatever the template has become.
    (recipe,) = (owner.template / "domain" / "stored").glob("*/routes.py")
    recipe.write_text("broken(")
    commit(owner.template)

    cpu, began = spent(), time.monotonic()
    output = owner.make("domain", "NAME=invoices", f"FIELDS={SIX}")
    cpu, seconds = spent() - cpu, time.monotonic() - began

    files = re.findall(r"^(?:\?\?| M) (\S+)$", output, re.MULTILINE)
    with capsys.disabled():
        print(
            f"\nA domain with 6 fields: {seconds:.1f} s, {cpu:.1f} CPU s; {len(files)} files:",
            *files,
            sep="\n  ",
        )
    assert cpu < MAX_CPU_SECONDS
    assert 0 < len(files) <= MAX_FILES
    owner.make("lint")
    assert "passed" in owner.make("test", f"ARGS=-q -m '{CHEAP}'")


def test_the_command_alone_prints_the_types_and_an_example(owner: Owner) -> None:
    output = owner.make("domain")

    assert "make domain NAME=invoices" in output
    assert "enum(draft" in output
    assert "## " not in output


def test_without_a_record_or_with_changes_nothing_is_written(owner: Owner) -> None:
    (owner.project / "mine.txt").write_text("not committed")
    output = owner.make("domain", "NAME=invoices", f"FIELDS={SIX}", status=1)
    assert "There are uncommitted changes" in output
    assert "it refers to 'customers'" in output

    (owner.project / ".cruft.json").unlink()
    assert "cruft link" in owner.make("domain", "NAME=invoices", "FIELDS=a:str", status=1)
    assert not (owner.project / "app" / "invoices").exists()
