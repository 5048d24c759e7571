import contextlib
import fcntl
import os
import re
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import IO
from unittest.mock import Mock

import pytest
from flask.testing import FlaskClient
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from app.core.observability import multiprocess
from app.core.observability.multiprocess import FOLDER, child_exit
from conftest import LogLines
from tests.servers import Server, gunicorn
from tests.waiting import wait_until

COUNT = r"^http_server_request_duration_seconds_count\{.*\} ([\d.]+)$"


def _total(text: str) -> float:
    return sum(map(float, re.findall(COUNT, text, re.MULTILINE)))


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder that Gunicorn creates at its start."""
    monkeypatch.setenv(FOLDER, "/somewhere/else")
    monkeypatch.setattr(multiprocess, "MEMORY", tmp_path)
    multiprocess.on_starting(object())
    (made,) = tmp_path.iterdir()
    return made


def _write(folder: Path, kind: str, pid: int, value: float) -> None:
    """Leave the files of a worker, as prometheus_client writes them."""
    name = f"what_{kind}"
    file = MmapedDict(str(folder / f"{kind}_{pid}.db"))  # type: ignore[no-untyped-call]
    key = mmap_key(name, f"{name}_total", ["a"], ["b"], "Anything")
    file.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]


def _server(*living: int) -> SimpleNamespace:
    return SimpleNamespace(WORKERS=dict.fromkeys(living))


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {"lock"}


def test_each_start_of_gunicorn_counts_from_zero_and_leaves_nothing(
    client: FlaskClient, folder: Path
) -> None:
    client.get("/api/docs")
    # The folder holds the files of workers, and this process is none.
    assert _total(client.get("/metrics").text) == 0

    multiprocess.on_exit(object())
    assert not folder.exists()


def test_without_memory_the_temporary_folder_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(multiprocess, "MEMORY", tmp_path / "missing")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(FOLDER, "")

    multiprocess.on_starting(Mock())

    assert [str(folder) for folder in tmp_path.iterdir()] == [os.environ[FOLDER]]


def test_counts_of_workers_remain_in_the_sum_after_their_exit(
    client: FlaskClient, folder: Path
) -> None:
    for pid in (11, 12, 13):
        _write(folder, "counter", pid, pid)
        _write(folder, "histogram", pid, pid)
    (folder / "gauge_livesum_11.db").touch()
    # {% if cookiecutter.tracing %}
    (folder / "exemplars_11.json").write_text("[]")
    # {% endif %}
    for pid, living in ((11, [12, 13]), (12, [13])):
        before = client.get("/metrics").text
        child_exit(_server(*living), Mock(pid=pid))
        assert client.get("/metrics").text == before
        assert 'what_counter_total{a="b"} 36.0' in client.get("/metrics").text

    kept = {"counter_13.db", "counter_gone.db", "histogram_13.db", "histogram_gone.db"}
    assert _names(folder) == kept


def test_a_file_that_a_worker_is_just_making_counts_nothing(
    client: FlaskClient, folder: Path
) -> None:
    _write(folder, "counter", 11, 1)
    (folder / "counter_12.db").touch()
    assert 'what_counter_total{a="b"} 1.0' in client.get("/metrics").text

    for pid in (11, 12):
        child_exit(_server(), Mock(pid=pid))
    assert 'what_counter_total{a="b"} 1.0' in client.get("/metrics").text


def test_a_merge_does_not_wait_for_a_lock_and_is_repeated_later(folder: Path) -> None:
    _write(folder, "counter", 11, 1)
    with multiprocess.readable(folder):
        child_exit(_server(), Mock(pid=11))
    assert _names(folder) == {"counter_11.db"}

    _write(folder, "counter", 12, 1)
    child_exit(_server(), Mock(pid=12))
    assert _names(folder) == {"counter_gone.db"}


def test_a_process_that_is_forked_during_a_read_does_not_keep_the_lock(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inherited: list[int] = []
    lock = fcntl.flock

    def fork_too(file: IO[str], how: int) -> None:
        inherited.append(os.dup(file.fileno()))
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", fork_too)
    with multiprocess.readable(folder):
        pass

    multiprocess.merge(folder, [])
    for file in inherited:
        os.close(file)


def test_gauges_of_live_processes_end_with_a_merge(client: FlaskClient, folder: Path) -> None:
    for pid in (11, 12):
        _write(folder, "gauge_livesum", pid, pid)

    multiprocess.merge(folder, [12])

    assert _names(folder) == {"gauge_livesum_12.db"}
    assert "what_gauge_livesum_total" in client.get("/metrics").text


def test_a_file_that_cannot_be_read_does_not_end_the_server(
    folder: Path, log_lines: LogLines
) -> None:
    (folder / "counter_11.db").write_bytes(b"broken")

    child_exit(_server(), Mock(pid=11))

    assert [line["message"] for line in log_lines] == ["metrics merge failed"]


def _workers_that_answered(server: Server) -> set[int]:
    return {line["process.pid"] for line in server.lines() if line["logger"] == "app.access"}


@pytest.mark.process
def test_under_gunicorn_every_worker_exposes_the_metrics_of_all(tmp_path: Path) -> None:
    with gunicorn(tmp_path, WEB_CONCURRENCY="3") as server:
        total = 0
        with ThreadPoolExecutor(12) as principals:
            while len(_workers_that_answered(server)) < 2:
                list(principals.map(server.get, ["/api/docs"] * 24))
                total += 24
                assert total < 10_000, "one worker serves everything: nothing is added up"
        server.wait_for("/metrics", lambda text: _total(text) == total)
        totals = {_total(server.get("/metrics")) for _ in range(12)}
        # The third worker may still be starting.
        server.wait_for("/metrics", lambda text: f"\nhttp_server_threads {3 * 4:.1f}\n" in text)

    assert totals == {total}


@pytest.mark.process
def test_restarts_lose_no_count_and_leave_no_files(tmp_path: Path) -> None:
    """Workers exit after 20 requests, and some are killed."""
    few = ("--max-requests", "20", "--max-requests-jitter", "0")
    with gunicorn(tmp_path, *few, WEB_CONCURRENCY="2") as server:
        folder = _folder(server)
        tried, answered, totals, most = 0, 0, [0.0], 0
        while len(_started(server)) < 8:
            tried += 1
            # An exiting worker may drop a connection, with or without counting it.
            with contextlib.suppress(ConnectionError):
                server.get("/api/docs")
                answered += 1
                totals.append(_total(server.get("/metrics")))
            most = max(most, len(_names(folder)))
            if tried % 40 == 0:
                server.wait_for("/metrics", lambda text: _total(text) >= answered)  # noqa: B023  now
                # It may just have exited.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(_started(server)[-1], signal.SIGKILL)
            assert tried < 2_000, "workers do not restart"
        server.wait_for("/metrics", lambda text: answered <= _total(text) <= tried)
        gone = _started(server)[:-4]
        wait_until(lambda: not _owners(folder).intersection(gone))

    assert totals == sorted(totals), "a total fell"
    # Six files at most for each of two workers and four that are ending; two for all that are gone.
    assert most <= 6 * 6 + 2
    assert not folder.exists()


def _started(server: Server) -> list[int]:
    """Return the workers' process ids, in the order in which they started."""
    booting = (
        re.fullmatch(r"Booting worker with pid: (\d+)", each["message"]) for each in server.lines()
    )
    return [int(found[1]) for found in booting if found]


def _folder(server: Server) -> Path:
    """Find the folder of the workers' files, whose names contain process ids."""
    place = multiprocess.MEMORY if multiprocess.MEMORY.exists() else Path(tempfile.gettempdir())
    found: list[Path] = []

    def is_there() -> bool:
        for pid in _started(server):  # the workers of this moment may have ended already
            found.extend(file.parent for file in place.glob(f"metrics-*/gauge_livesum_{pid}.db"))
        return bool(found)

    wait_until(is_there)
    return found[0]


def _owners(folder: Path) -> set[int]:
    return {int(name) for file in folder.iterdir() for name in re.findall(r"_(\d+)\.", file.name)}
