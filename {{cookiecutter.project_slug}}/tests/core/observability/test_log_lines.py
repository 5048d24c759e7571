"""Log lines that several processes write to one pipe."""

import io
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.core.observability import log_lines
from app.core.observability.log_lines import LINE_BYTES, fit, max_line_bytes, write
from app.core.observability.logs import ConsoleFormatter, JSONFormatter
from tests.waiting import HANG_TIMEOUT_SECONDS

HERE = Path(__file__).parents[3]
PROCESSES, LINES = 4, 60
# Processes forked as by Gunicorn and Celery log with the service's handler to one shared standard
# output. Every second traceback takes 7 kB.
WRITER = """
import logging, os, sys
from app.core.config import CoreSettings
from app.core.observability import logs

settings = CoreSettings.model_validate({"app_env": "testing", "log_format": sys.argv[1]})
handler = logs.ServiceHandler()
handler.setFormatter(logs.formatter(settings, handler.stream))
logging.getLogger().addHandler(handler)
steps = [f"def step_{n}(): step_{n + 1}()" for n in range(60)]
last = "def step_60(): raise ValueError('the reason at the end')"
exec(compile("\\n".join([*steps, last]), "/srv/" + "x" * 70 + ".py", "exec"))

if all(os.fork() for _ in range(int(sys.argv[2]))):
    sys.exit(any(os.wait()[1] for _ in range(int(sys.argv[2]))))
for number in range(int(sys.argv[3])):
    try:
        step_0() if number % 2 else step_60()
    except ValueError:
        logging.getLogger("app").exception("failed", extra={"number": number})
"""


def _written_by_many(log_format: str) -> bytes:
    return subprocess.run(
        [sys.executable, "-c", WRITER, log_format, str(PROCESSES), str(LINES)],
        cwd=HERE,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout


@pytest.mark.process
def test_no_line_is_torn_when_processes_share_a_pipe() -> None:
    lines = _written_by_many("json").splitlines(keepends=True)

    assert len(lines) == PROCESSES * LINES
    assert max(map(len, lines)) <= LINE_BYTES
    for line in map(orjson.loads, lines):
        assert line["exception.stacktrace"].startswith("Traceback (most recent call last)")
        assert line["exception.stacktrace"].endswith("ValueError: the reason at the end")
        assert ("characters left out" in line["exception.stacktrace"]) == bool(line["number"] % 2)
        assert line.get("shortened", False) == bool(line["number"] % 2)


@pytest.mark.process
def test_no_console_line_is_torn_when_processes_share_a_pipe() -> None:
    output = _written_by_many("console").decode()

    events = output.split("ERROR   failed number=")[1:]
    assert len(events) == PROCESSES * LINES
    for event in events:
        assert len(event.encode()) < LINE_BYTES
        _, *traceback = event.splitlines()
        assert traceback[0] == "Traceback (most recent call last):"
        reasons = [
            line for line in traceback if line.startswith("ValueError: the reason at the end")
        ]
        assert len(reasons) == 1


def test_a_pipe_and_a_socket_have_a_limit_and_files_and_terminals_none(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as pipe:
        assert max_line_bytes(pipe) == LINE_BYTES
    with socket.socket() as kept, kept.makefile("w") as stream:
        assert max_line_bytes(stream) == LINE_BYTES
    with (tmp_path / "log").open("w") as file:
        assert max_line_bytes(file) is None
    assert max_line_bytes(io.StringIO()) is None


def test_a_non_blocking_pipe_is_waited_for_nevertheless() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    text = "x" * (LINE_BYTES - 1) + "\n"

    def read_late() -> None:
        time.sleep(0.2)
        with os.fdopen(reading) as pipe:
            found.append(pipe.read())

    found: list[str] = []
    reader = threading.Thread(target=read_late)
    with os.fdopen(writing, "w") as pipe:
        reader.start()
        for _ in range(40):  # more than a pipe holds
            write(pipe, text)
    reader.join(HANG_TIMEOUT_SECONDS)

    assert found == [text * 40]


def test_earlier_output_of_others_stays_first(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as file:
        file.write("printed\n")
        write(file, "logged\n")
        file.seek(0)
        assert file.read() == "printed\nlogged\n"


def _fitted(**values: object) -> dict[str, Any]:
    line = {
        "timestamp": "now",
        "level": "INFO",
        "message": "said",
        "request_id": "1" * 128,
        **values,
    }
    fitted = fit(line, LINE_BYTES)
    assert len(fitted) <= LINE_BYTES
    found: dict[str, Any] = orjson.loads(fitted)
    for name in ("timestamp", "level", "request_id"):
        assert found[name] == line[name]
    return found


def test_the_longest_values_are_shortened_and_the_others_stay() -> None:
    found = _fitted(
        **{"exception.stacktrace": "first" + "x" * 9_000 + "last", "agent": "y" * 200, "count": 7}
    )

    assert found["message"] == "said"
    assert found["agent"] == "y" * 200
    assert found["count"] == 7
    assert found["exception.stacktrace"].startswith("first")
    assert found["exception.stacktrace"].endswith("last")
    assert "characters left out" in found["exception.stacktrace"]
    assert found["shortened"] is True
    assert len(orjson.dumps(found)) > LINE_BYTES - 16, "more was left out than had to be"


@pytest.mark.attack
def test_any_line_is_valid_json_within_the_limit(subtests: pytest.Subtests) -> None:
    many: dict[str, object] = {f"value {number}": "x" * 90 for number in range(200)}
    cases: dict[str, dict[str, object]] = {
        "quotation marks": {"message": '"' * 9_000},
        "control characters": {"message": "\x01" * 9_000},
        "four bytes each": {"message": "\U0001f600" * 3_000},
        "a list": {"items": ["x" * 50] * 500},
        "a mapping": {"items": {str(number): number for number in range(2_000)}},
        "many values": many,
        "long names": {"x" * 9_000: 1},
        "two long ones": {"message": "x" * 9_000, "exception.stacktrace": "y" * 9_000},
        "half of a pair": {"message": "\ud800" * 3_000},
        "a large integer": {"number": 1 << 40_000},
    }
    for name, values in cases.items():
        with subtests.test(name):
            assert _fitted(**values)["shortened"] is True
    assert "fields_left_out" in _fitted(**many)
    assert fit({"a": 1}, LINE_BYTES) == b'{"a":1}'


def test_a_line_is_written_with_values_that_json_does_not_support() -> None:
    held: dict[str, object] = {"text": "a\ud800b", "large": [1 << 64, None, 1.5], "key": object()}

    found = orjson.loads(log_lines.dumps(held))

    assert found["text"] == "a\\ud800b"
    assert found["large"] == ["0x10000000000000000", None, 1.5]
    assert found["key"].startswith("<object")
    deep: dict[str, object] = {"text": "\ud800"}
    for _ in range(20):
        deep = {"below": [deep]}
    assert log_lines.dumps(deep)


def _record(message: str) -> logging.LogRecord:
    return logging.LogRecord("app", logging.INFO, __file__, 1, message, (), None)


def test_both_formats_keep_to_the_limit() -> None:
    for formatter in (JSONFormatter(max_bytes=LINE_BYTES), ConsoleFormatter(max_bytes=LINE_BYTES)):
        line = formatter.format(_record("é" * 9_000)) + "\n"
        assert LINE_BYTES - 8 < len(line.encode()) <= LINE_BYTES
        assert "characters left out" in line
