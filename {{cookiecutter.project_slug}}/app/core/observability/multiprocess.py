"""The files in which Gunicorn's workers store their metrics, so that each can serve the totals.

A worker that exits leaves files behind, whose counts must stay in the totals. The master merges
them into one file for all exited workers, so that there are never more than a few files per worker.
"""

import fcntl
import logging
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Container, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

logger = logging.getLogger(__name__)

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
MEMORY = Path("/dev/shm")  # nosec B108 # noqa: S108  only folders with unique names are created there
SUMMED = ("counter", "histogram")
"""The metric types whose values still count after their worker has exited."""


def folder() -> Path | None:
    """Return the folder of the workers' files; None if a single process serves."""
    return Path(os.environ[FOLDER]) if FOLDER in os.environ else None


def make_folder() -> Path:
    """Create a new folder for the workers' files, so that counts start at zero."""
    directory = MEMORY if os.access(MEMORY, os.W_OK) else None
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="metrics-", dir=directory)
    return Path(os.environ[FOLDER])


def collect(registry: "CollectorRegistry") -> "list[Metric]":
    """Return the metrics of all workers, or of this process if it serves alone."""
    directory = folder()
    if directory is None:
        return list(registry.collect())
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    with readable(directory):
        files = [str(file) for file in sorted(directory.glob("*.db")) if _is_begun(file)]
        return list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]


def readable(directory: Path) -> AbstractContextManager[None]:
    """Lock the files for reading: a merge meanwhile would make values count twice."""
    return _locked(directory, fcntl.LOCK_SH)


@contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, how)
        try:
            yield
        finally:
            # A process that was forked meanwhile also has the file open, and would keep the lock.
            fcntl.flock(lock, fcntl.LOCK_UN)


def merge(directory: Path, living: Container[int]) -> None:
    """Merge the files of exited workers into one file for all of them.

    Raises:
        BlockingIOError: when another process is reading the files.

    """
    with _locked(directory, fcntl.LOCK_EX | fcntl.LOCK_NB):
        for kind in SUMMED:
            if gone := _left(directory, f"{kind}_[0-9]*.db", living):
                _add_up(gone, directory / f"{kind}_gone.db")
        for file in _left(directory, "gauge_live*_[0-9]*.db", living):
            file.unlink()
        # {% if cookiecutter.tracing %}
        for file in _left(directory, "exemplars_*.json", living):
            file.unlink()
        # {% endif %}


def _is_begun(file: Path) -> bool:
    """Return whether a file has content: a worker creates it first, and then fills it."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False  # a worker's live gauges are deleted as soon as it exits


def _left(directory: Path, pattern: str, living: Container[int]) -> list[Path]:
    files = directory.glob(pattern)
    return [file for file in files if int(file.stem.rpartition("_")[2]) not in living]


def _add_up(files: list[Path], total: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415  only processes with files

    sums: dict[str, float] = defaultdict(float)
    for file in filter(_is_begun, [*files, total]):
        for key, value, *_ in MmapedDict.read_all_values_from_file(file):  # type: ignore[no-untyped-call]
            sums[key] += value
    # The file is replaced atomically: a process killed here leaves the old one or the new one.
    (unfinished := total.with_suffix(".new")).unlink(missing_ok=True)
    written = MmapedDict(str(unfinished))  # type: ignore[no-untyped-call]  # the rest is typed
    for key, value in sums.items():
        written.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    unfinished.replace(total)
    for file in files:
        file.unlink()


class Worker(Protocol):
    """The attributes that are used of a Gunicorn worker, which has no type hints."""

    pid: int


class Server(Protocol):
    """The attributes that are used of Gunicorn's master: its live workers, by process ID."""

    WORKERS: dict[int, Worker]


def on_starting(server: object) -> None:
    """Create the folder before Gunicorn's workers start."""
    del server
    make_folder()


def child_exit(server: Server, worker: Worker) -> None:
    """Delete the live gauges of an exited worker, and merge its counters and histograms."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415  see `metrics`

    try:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # the rest is typed
        merge(Path(os.environ[FOLDER]), server.WORKERS.keys())
    except BlockingIOError:
        pass  # the master must never wait; these files are merged when the next worker exits
    except Exception:
        # An error in metrics must not stop the master, and with it the service.
        logger.exception("metrics merge failed")


def on_exit(server: object) -> None:
    """Remove the folder when Gunicorn stops."""
    del server
    shutil.rmtree(os.environ[FOLDER], ignore_errors=True)


# In the order in which gunicorn.conf.py unpacks them.
GUNICORN_HOOKS = (on_starting, child_exit, on_exit)
