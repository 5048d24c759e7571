"""The files in which Gunicorn's workers keep their numbers, so that each one answers for all.

A worker that ends leaves files behind, whose counts must stay in the sum. The master adds them up
in one file for all that are gone, and so there are never more files than a few for each worker.
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
MEMORY = Path("/dev/shm")  # nosec B108 # noqa: S108  only folders with names of their own are made there
SUMMED = ("counter", "histogram")
"""The kinds of numbers that go on counting when their worker is gone."""


def folder() -> Path | None:
    """Return the folder of the workers' files; None when one process serves alone."""
    return Path(os.environ[FOLDER]) if FOLDER in os.environ else None


def make_folder() -> Path:
    """Make the folder of the workers' files; always a new one, as the numbers start at zero."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="metrics-", dir=place)
    return Path(os.environ[FOLDER])


def collect(registry: "CollectorRegistry") -> "list[Metric]":
    """Return the numbers of all workers, or of this process if it serves alone."""
    place = folder()
    if place is None:
        return list(registry.collect())
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    with readable(place):
        files = [str(file) for file in sorted(place.glob("*.db")) if _is_begun(file)]
        return list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]


def readable(place: Path) -> AbstractContextManager[None]:
    """Let the files be read while none is merged into another: nothing is counted twice."""
    return _locked(place, fcntl.LOCK_SH)


@contextmanager
def _locked(place: Path, how: int) -> Iterator[None]:
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, how)
        try:
            yield
        finally:
            # A process that was forked meanwhile has the file open too, and would keep it locked.
            fcntl.flock(lock, fcntl.LOCK_UN)


def merge(place: Path, living: Container[int]) -> None:
    """Add the files of workers that are gone to the file of all that are gone.

    Raises:
        BlockingIOError: when somebody reads them at this moment.

    """
    with _locked(place, fcntl.LOCK_EX | fcntl.LOCK_NB):
        for kind in SUMMED:
            if gone := _left(place, f"{kind}_[0-9]*.db", living):
                _add_up(gone, place / f"{kind}_gone.db")
        for file in _left(place, "gauge_live*_[0-9]*.db", living):
            file.unlink()
        # {% if cookiecutter.tracing %}
        for file in _left(place, "exemplars_*.json", living):
            file.unlink()
        # {% endif %}


def _is_begun(file: Path) -> bool:
    """Tell whether there is anything to read: a worker makes a file first, and then its content."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False  # what only a living worker can mean goes with it, at any moment


def _left(place: Path, pattern: str, living: Container[int]) -> list[Path]:
    files = place.glob(pattern)
    return [file for file in files if int(file.stem.rpartition("_")[2]) not in living]


def _add_up(files: list[Path], total: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415  only processes with files

    sums: dict[str, float] = defaultdict(float)
    for file in filter(_is_begun, [*files, total]):
        for key, value, *_ in MmapedDict.read_all_values_from_file(file):  # type: ignore[no-untyped-call]
            sums[key] += value
    # Whoever is killed here leaves either the old file or the new one, and never half of it.
    (unfinished := total.with_suffix(".new")).unlink(missing_ok=True)
    written = MmapedDict(str(unfinished))  # type: ignore[no-untyped-call]  # the rest is typed
    for key, value in sums.items():
        written.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    unfinished.replace(total)
    for file in files:
        file.unlink()


class Worker(Protocol):
    """What is asked of a Gunicorn worker, which has no type hints."""

    pid: int


class Server(Protocol):
    """What is asked of Gunicorn's master: its living workers, by process id."""

    WORKERS: dict[int, Worker]


def on_starting(server: object) -> None:
    """Begin to count in files."""
    del server
    make_folder()


def child_exit(server: Server, worker: Worker) -> None:
    """Drop what only a living worker can mean, and merge what goes on counting."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415  see `metrics`

    try:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # the rest is typed
        merge(Path(os.environ[FOLDER]), server.WORKERS.keys())
    except BlockingIOError:
        pass  # the master must never wait; the next worker that ends brings these files along
    except Exception:
        # What goes wrong with numbers must not end the master, and with it the service.
        logger.exception("metrics merge failed")


def on_exit(server: object) -> None:
    """Remove the folder."""
    del server
    shutil.rmtree(os.environ[FOLDER], ignore_errors=True)


# In the order in which gunicorn.conf.py gives them their names.
GUNICORN_HOOKS = (on_starting, child_exit, on_exit)
