"""Measure the time to generate a service, with and without the hooks.

The baseline is cookiecutter on the same template without hooks. Both run alternately in this process.
The best of several rounds counts, because other load on the machine only adds time.
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
# Seconds would depend on the machine.
MAX_RATIO = 1.5
Clock = Callable[[], float]


def generate(output: Path, clock: Clock, *, hooks: bool) -> tuple[float, Path]:
    """Generate with the default answers; return the duration and the service's folder."""
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
    """Return the seconds with hooks, those without, and the number of files."""
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
        with_hooks, baseline = (min(each) for each in zip(*rounds, strict=True))
        return with_hooks, baseline, files


def main() -> None:
    """Print the figures; exit with an error if they exceed a limit."""
    with_hooks, baseline, files = measure()
    ratio = with_hooks / baseline
    print(
        f"generation with defaults: {with_hooks:.2f} s for {files} files, "
        f"{ratio:.2f} times cookiecutter without hooks ({baseline:.2f} s)"
    )
    if ratio > MAX_RATIO:
        sys.exit(f"The limit is {MAX_RATIO} times")


if __name__ == "__main__":
    main()
