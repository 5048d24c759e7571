"""Run the drills: `python -m drills`, or those whose names contain one of the given words.

`python -m drills --mariadb deadlock` runs them on that database only. `--untimed` prints times without
enforcing limits, except for hangs: for machines with other load.
"""

import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import drills.clients
import drills.receipts  # noqa: F401  the import registers its drills
from drills.scenarios import DRILLS, Drill
from drills.servers import Database, MariaDB, MissingServerError, PostgreSQL
from drills.service import temporary_folder
from drills.stage import Report, Stage


def say(text: str) -> None:
    """Print without buffering."""
    print(text, flush=True)


KINDS: list[type[Database]] = [PostgreSQL, MariaDB]


def run(
    chosen: list[Drill], kinds: list[type[Database]], folder: Path, *, timed: bool
) -> Iterator[Report | str]:
    """Run each drill on its databases; yield its report, or a message if it is skipped."""
    for kind in kinds:
        mine = [each for each in chosen if kind.name in each.databases]
        if not mine:
            continue
        say(f"… starting a service, {kind.name}, Redis and a collector")
        try:
            with Stage.running(folder, kind) as stage:
                for each in mine:
                    yield perform(each, stage, timed=timed)
        except MissingServerError as missing:
            yield f"{len(mine)} drills on {kind.name} skipped: {missing}"


def perform(drill: Drill, stage: Stage, *, timed: bool) -> Report | str:
    """Run one drill; an exception in it breaks its promise."""
    report = Report(f"{drill.name} ({stage.database.name})", drill.promise, timed)
    say(f"… {report.drill}")
    began = time.monotonic()
    try:
        drill.run(stage, report)
    except MissingServerError as missing:
        return f"{report.drill} skipped: {missing}"
    except Exception as error:  # noqa: BLE001  the other drills still run
        traceback.print_exc()
        report.broken.append(f"{type(error).__name__}: {error}")
        stage.service.stop()
    report.notes.append(f"drill of {time.monotonic() - began:.0f} s")
    say(report.line())
    return report


def main(words: list[str]) -> int:
    """Run the chosen drills and print the totals; return the exit code."""
    timed = "--untimed" not in words
    named = [kind for kind in KINDS if f"--{kind.name}" in words]
    words = [word for word in words if not word.startswith("--")]
    chosen = [each for each in DRILLS if not words or any(word in each.name for word in words)]
    if not chosen:
        say(f"No drill has such a name. The drills are: {', '.join(each.name for each in DRILLS)}")
        return 2
    began = time.monotonic()
    with temporary_folder() as folder:
        results = list(run(chosen, named or KINDS, Path(folder), timed=timed))
    skipped = [each for each in results if isinstance(each, str)]
    reports = [each for each in results if isinstance(each, Report)]
    broken = [each for each in reports if each.broken]
    for sentence in skipped:
        say(sentence)
    lost = sum(len(each.lost) for each in reports)
    acknowledged = sum(each.acknowledged for each in reports)
    say(
        f"{len(reports) - len(broken)} of {len(reports)} drills kept their promise, {len(skipped)} groups"
        f" skipped; {sum(each.sent for each in reports)} requests, {lost} of {acknowledged} acknowledged"
        f" writes lost, {sum(each.incorrect.total() for each in reports)} incorrect responses, in"
        f" {time.monotonic() - began:.0f} s"
    )
    return 1 if broken or not reports else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
