"""Update a service from this template, change its answers, or undo that.

`make update`, `make features` and `make undo-update` of a service run it, in a clone of the template. cruft compares
what the template generates for the recorded commit and answers with what it generates now, and merges the
difference. This program checks all that it can before a file is written, and says what to do next.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cruft
from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config
from cruft.exceptions import CruftError

from origin import git
from service import (
    QUESTIONS,
    ROOT,
    invalid_answers,
    refuse,
    unknown_answers,
    unknown_message,
)

sys.path.append(str(ROOT / "hooks"))

from pre_gen_project import problems

Values = dict[str, Any]
NAMES = [name for name in QUESTIONS if not name.startswith("_")]
# GNU make passes its own arguments on by these.
OF_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"}
REVISION = re.compile(r'^(?P<down>down_)?revision = (?:"(?P<name>\w+)"|None)$', re.MULTILINE)
REFUSED = "Nothing was changed"
UNDO = "To take the update back: make undo-update"


class GeneratedService:
    """A service in its folder, with its git repository and cruft's record of the template."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = folder / ".cruft.json"

    def state(self) -> Values:
        """Read the record: the template's address, its commit and the answers."""
        found: Values = json.loads(self.record.read_text(encoding="utf-8"))
        return found

    def answers(self) -> Values:
        """Return the recorded answers; questions that are newer than the record have their defaults."""
        recorded = self.state()["context"]["cookiecutter"]
        context = generate_context(str(ROOT / "cookiecutter.json"), {}, recorded)["cookiecutter"]
        given = {name: context[name] for name in NAMES}
        found: Values = prompt_for_config({"cookiecutter": given}, no_input=True)
        return found

    def refuse_without_record(self) -> None:
        """Exit if nothing says which template generated the service."""
        if not self.record.is_file():
            link = "link the service to its template: cruft link <address of the template>"
            refuse(REFUSED, [f"{self.record} is missing: {link}"])

    def uncommitted(self) -> str | None:
        """Return why git could not restore the files as they are now."""
        changes = git(self.folder, "status", "--porcelain")
        if changes is None:
            return "The service has no git repository: git init, then commit everything."
        return "There are uncommitted changes: commit them, or git stash them." if changes else None

    def refuse_uncommitted_changes(self) -> None:
        """Exit if git could not restore the files as they are now."""
        refuse(REFUSED, [*filter(None, [self.uncommitted()])])

    def make(self, *arguments: str) -> bool:
        """Run a target of the service's Makefile; return whether it succeeded."""
        env = {name: each for name, each in os.environ.items() if name not in OF_MAKE}
        command = [shutil.which("make") or "make", "--no-print-directory", *arguments]
        return subprocess.run(command, cwd=self.folder, env=env, check=False).returncode == 0  # noqa: S603 - targets named below

    def conflicts(self) -> list[str]:
        """List the files with changes that could not be merged."""
        unmerged = git(self.folder, "diff", "--name-only", "--diff-filter=U") or ""
        rejected = git(self.folder, "ls-files", "--others", "--", "*.rej") or ""
        return sorted({*unmerged.splitlines(), *rejected.splitlines()})

    def new_migrations(self) -> list[Path]:
        """List the migrations that are not committed."""
        added = git(
            self.folder, "status", "--porcelain", "--untracked-files=all", "migrations/versions"
        )
        paths = (line[3:] for line in (added or "").splitlines() if line[:2] in {"??", "A ", "AM"})
        return [self.folder / path for path in paths if path.endswith(".py")]


def changed_answers(service: GeneratedService, arguments: list[str]) -> Values:
    """Return the answers in `name=value` arguments.

    Raises:
        SystemExit: with all problems, of these answers and of all answers together.

    """
    pairs = dict(each.partition("=")[::2] for each in arguments)
    sentences = [f"{sentence}." for sentence in invalid_answers(pairs).values()]
    if unknown := unknown_answers(arguments):
        sentences.insert(0, unknown_message(unknown))
    refuse(REFUSED, sentences)
    given = {**service.answers(), **pairs}
    context = generate_context(str(ROOT / "cookiecutter.json"), {}, given)["cookiecutter"]
    answers = prompt_for_config({"cookiecutter": context}, no_input=True)
    refuse(REFUSED, [each.sentence for each in problems(answers, context)])
    return {name: answers[name] for name in pairs}


def spelled(value: object) -> str:
    """Return an answer as it is entered: yes and no for booleans."""
    return str(value) if not isinstance(value, bool) else "yes" if value else "no"


def print_answers(service: GeneratedService) -> None:
    """Print the answers in force, with the other choices."""
    for name, value in service.answers().items():
        question = [True, False] if isinstance(QUESTIONS[name], bool) else QUESTIONS[name]
        others = [
            spelled(each) for each in question if each != value and isinstance(question, list)
        ]
        print(f"  {name:17} {spelled(value):12} {'or ' * bool(others)}{', '.join(others)}".rstrip())
    print("\nTo change some of them: make features name=value")


def update(service: GeneratedService, changes: Values, *, ask: bool) -> None:
    """Apply the newest template with these answers, then migrate, check and test the service.

    Raises:
        SystemExit: if nothing is to be done, for conflicts, and if the service does not pass.

    """
    service.refuse_uncommitted_changes()
    before = service.record.read_text(encoding="utf-8")
    if (service.folder / "migrations").is_dir() and not service.make("migrate"):
        sys.exit(f"{REFUSED}: the development database could not be migrated.")
    try:
        cruft.update(service.folder, skip_apply_ask=not ask, extra_context=changes)
    except CruftError as error:
        sys.exit(f"{REFUSED}: {error}")
    if service.record.read_text(encoding="utf-8") == before:
        sys.exit(f"{REFUSED}.")
    if conflicts := service.conflicts():
        listed = "".join(f"\n  - {path}" for path in conflicts)
        sys.exit(
            f"These files have conflicts:{listed}\nResolve them, then: make finish-update\n{UNDO}"
        )
    if not service.make("finish-update"):
        sys.exit(f"The service does not pass yet. Mend it, then: make finish-update\n{UNDO}")
    changed = git(service.folder, "status", "--porcelain", "--untracked-files=all") or ""
    written = [str(path.relative_to(service.folder)) for path in service.new_migrations()]
    migrations = "".join(f"\nRead the new migration: {path}" for path in written)
    print(
        f"Updated: {len(changed.splitlines())} files changed, all tests passed.{migrations}\nThen commit. {UNDO}"
    )


def undo(service: GeneratedService) -> None:
    """Downgrade the development database, and stash all changes since the last commit.

    Raises:
        SystemExit: if there is no update to undo, or the database cannot be downgraded.

    """
    if git(service.folder, "diff", "--quiet", "HEAD", "--", ".cruft.json") is not None:
        refuse(REFUSED, ["There is no update that is not committed."])
    revisions: dict[str, str | None] = {}
    for path in service.new_migrations():
        found = {bool(each["down"]): each["name"] for each in REVISION.finditer(path.read_text())}
        revisions[str(found[False])] = found[True]
    below = [each for each in revisions.values() if each not in revisions]
    if below and not service.make("downgrade", f"revision={below[0] or 'base'}"):
        sys.exit(f"{REFUSED}: the development database could not be downgraded.")
    # git stashes no file with conflicts until it is added.
    push = ("stash", "push", "--include-untracked", "--message", "an update that was undone")
    if git(service.folder, "add", "--all") is None or git(service.folder, *push) is None:
        sys.exit(f"{REFUSED} by git stash. To restore the files without it: git reset --hard")
    print("The update is undone. Its files are kept in git's stash: git stash list")


def given_by_make() -> list[str]:
    """List the answers among the variables on the command line of make, as `name=value`.

    CHANGES has the names, in make's notation; make exports the values as they were entered.
    """
    names = re.findall(r"(?:^|(?<!\\) )([a-z_]\w*)=", os.environ.get("CHANGES", ""))
    return [f"{name}={os.environ.get(name, '')}" for name in names]


def main(command: str, folder: str) -> None:
    """Run a command for the service in a folder, or exit with a message."""
    service = GeneratedService(Path(folder))
    service.refuse_without_record()
    changes = given_by_make()
    if command == "undo-update":
        undo(service)
    elif command == "features" and not changes:
        print_answers(service)
    else:
        update(service, changed_answers(service, changes), ask=not os.environ.get("YES"))


if __name__ == "__main__":
    main(*sys.argv[1:])
