"""How long a service takes to be generated, and against cookiecutter without our hooks.

The yardstick is cookiecutter itself on the same template with its hooks off: the same files
rendered and nothing else. Both run in this process, in turn, and the best of several rounds
counts, since other work on the machine only ever adds time.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[1]
ROUNDS = 7
MOST_SECONDS = 1.0
MOST_RATIO = 1.5
Clock = Callable[[], float]


def generate(output: Path, clock: Clock, *, hooks: bool) -> tuple[float, Path]:
    """Generate with the default answers; return the seconds it took and the result."""
    shutil.rmtree(output, ignore_errors=True)
    config = output.with_suffix(".yaml")
    config.write_text(f"replay_dir: {output}-replay\ncookiecutters_dir: {output}-cookiecutters\n")
    started = clock()
    made = cookiecutter(
        str(ROOT),
        no_input=True,
        output_dir=str(output),
        config_file=str(config),
        accept_hooks=hooks,
    )
    return clock() - started, Path(made)


def measure(clock: Clock = time.perf_counter) -> tuple[float, float, int]:
    """Return the seconds with our hooks, those of the yardstick, and the number of files."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "services"
        quiet = os.dup(1)
        with open(os.devnull, "w") as nothing:  # noqa: PTH123 - the hooks write to descriptor 1
            os.dup2(nothing.fileno(), 1)
        try:
            service = generate(output, clock, hooks=True)[1]
            files = sum(path.is_file() for path in service.rglob("*"))
            rounds = [
                (generate(output, clock, hooks=True)[0], generate(output, clock, hooks=False)[0])
                for _ in range(ROUNDS)
            ]
        finally:
            os.dup2(quiet, 1)
            os.close(quiet)
        ours, theirs = (min(each) for each in zip(*rounds, strict=True))
        return ours, theirs, files


def main() -> None:
    """Print the figures; end with an error when they are worse than promised."""
    ours, theirs, files = measure()
    ratio = ours / theirs
    print(
        f"generation with defaults: {ours:.2f} s for {files} files, "
        f"{ratio:.2f} times cookiecutter without hooks ({theirs:.2f} s)"
    )
    if ours > MOST_SECONDS or ratio > MOST_RATIO:
        sys.exit(f"promised: at most {MOST_SECONDS} s and {MOST_RATIO} times")


if __name__ == "__main__":
    main()
