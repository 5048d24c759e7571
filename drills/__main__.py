"""Run the drills: `python -m drills`, or some of them by words of their names.

`python -m drills --mariadb deadlock` runs them on that database alone. With `--untimed`, times are
printed, and only what hangs breaks a promise: for machines that do other things as well.
"""

import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import drills.clients
import drills.receipts  # noqa: F401  their drills list themselves
from drills.scenarios import DRILLS, Drill
from drills.servers import Database, MariaDB, MissingServerError, PostgreSQL
from drills.service import temporary_folder
from drills.stage import Report, Stage


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


KINDS: list[type[Database]] = [PostgreSQL, MariaDB]


def run(
    chosen: list[Drill], kinds: list[type[Database]], folder: Path, *, timed: bool
) -> Iterator[Report | str]:
    """Run drills, each on the databases that it is about; give a sentence for what is skipped."""
    for kind in kinds:
        mine = [each for each in chosen if kind.name in each.databases]
        if not mine:
            continue
        say(f"… a service, {kind.name}, Redis and a collector are being made")
        try:
            with Stage.built(folder, kind) as stage:
                for each in mine:
                    yield perform(each, stage, timed=timed)
        except MissingServerError as missing:
            yield f"{len(mine)} drills on {kind.name} skipped: {missing}"


def perform(drill: Drill, stage: Stage, *, timed: bool) -> Report | str:
    """Run one drill; whatever goes wrong with it breaks its promise."""
    report = Report(f"{drill.name} ({stage.database.name})", drill.promise, timed)
    say(f"… {report.drill}")
    began = time.monotonic()
    try:
        drill.run(stage, report)
    except MissingServerError as missing:
        return f"{report.drill} skipped: {missing}"
    except Exception as error:  # noqa: BLE001  the others go on
        traceback.print_exc()
        report.broken.append(f"{type(error).__name__}: {error}")
        stage.service.stop()
    report.notes.append(f"drill of {time.monotonic() - began:.0f} s")
    say(report.line())
    return report


def main(words: list[str]) -> int:
    """Run what is asked for and sum up; return the exit code."""
    timed = "--untimed" not in words
    named = [kind for kind in KINDS if f"--{kind.name}" in words]
    words = [word for word in words if not word.startswith("--")]
    chosen = [each for each in DRILLS if not words or any(word in each.name for word in words)]
    if not chosen:
        say(f"no drill is called so; there are: {', '.join(each.name for each in DRILLS)}")
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
        f" writes lost, {sum(each.wrong.total() for each in reports)} wrong answers, in"
        f" {time.monotonic() - began:.0f} s"
    )
    return 1 if broken or not reports else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
