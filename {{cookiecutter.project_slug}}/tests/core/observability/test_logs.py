import io
import logging
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from logging.config import dictConfig
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import click
import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.observability import logs
from app.core.observability.logs import AccessLog, ConsoleFormatter, JSONFormatter, ServiceHandler
from app.core.pipeline import RequestInfo
from app.settings import Settings
from conftest import LogLines, MakeApp
from tests.waiting import HANG_TIMEOUT_SECONDS

logger = logging.getLogger("app.notes")


@pytest.fixture
def untouched_root() -> Iterator[None]:
    """Restore the logging of the process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_request_is_one_log_line_with_all_its_fields(
    client: FlaskClient, log_lines: LogLines
) -> None:
    response = client.delete("/api/docs?card=4111111111111111", headers={"User-Agent": "curl/8"})

    (line,) = [line for line in log_lines if line["logger"] == "app.access"]
    assert line["level"] == "INFO"
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert line["http.request.method"] == "DELETE"
    assert line["http.response.status_code"] == 405
    assert line["client.address"] == "127.0.0.1"
    assert line["user_agent.original"] == "curl/8"
    assert line["service.version"] == "test"
    assert line["process.pid"] == os.getpid()
    assert line["duration"] > 0
    assert line["http.response.body.size"] == len(response.data)
    assert "4111111111111111" not in str(line)


def test_a_slow_request_is_a_warning(
    log_lines: LogLines,
) -> None:
    for threshold, level in ((500, "WARNING"), (501, "INFO"), (0, "INFO")):
        log = AccessLog(threshold)
        info = RequestInfo({}, "1", "GET", route="/api/docs", seconds=0.5)

        log.log(info)

        assert log_lines[-1]["level"] == level, threshold
        assert log_lines[-1]["duration"] == 0.5
    assert log_lines[-3]["message"].endswith(" slow")


@pytest.mark.usefixtures("untouched_root")
def test_a_higher_level_leaves_requests_out_but_not_slow_ones(log_lines: LogLines) -> None:
    logging.getLogger().setLevel("WARNING")
    for seconds in (0.1, 0.5):
        AccessLog(500).log(RequestInfo({}, "1", "GET", seconds=seconds))

    assert [line["duration"] for line in log_lines] == [0.5]


def test_probes_write_no_line(client: FlaskClient, log_lines: LogLines) -> None:
    client.get("/health/live")

    assert log_lines == []


def test_any_line_within_a_request_carries_its_id(make_app: MakeApp, log_lines: LogLines) -> None:
    app = make_app()

    @app.get("/busy")
    def busy() -> str:
        logger.info("note written", extra={"note_id": 7})
        return ""

    request_id = app.test_client().get("/busy").headers["X-Request-ID"]
    logger.info("outside")

    inside, access, outside = log_lines
    assert inside["message"] == "note written"
    assert inside["note_id"] == 7
    assert inside["request_id"] == access["request_id"] == request_id
    assert "request_id" not in outside


def test_secrets_in_values_and_tracebacks_are_masked(log_lines: LogLines) -> None:
    try:
        raise ValueError("token=HUSH")
    except ValueError:
        logger.exception(
            "failed", extra={"api_key": "HUSH", "sent": {"password": "HUSH"}, "url": "x://a:HUSH@b"}
        )

    (line,) = log_lines
    assert "HUSH" not in str(line)
    assert "ValueError" in line["exception.stacktrace"]


def _record(message: str, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("app", logging.INFO, __file__, 1, message, (), None)
    vars(record).update(extra)
    return record


def test_no_input_can_forge_a_line() -> None:
    forged = "a\n{}\r\nINFO b"

    line = ConsoleFormatter().format(_record(forged, user_agent=forged))
    assert len(line.splitlines()) == 1
    assert len(JSONFormatter().format(_record(forged, user_agent=forged)).splitlines()) == 1


def test_times_are_in_utc_whatever_the_time_zone_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = _record("x")
    record.created = 0.5
    with monkeypatch.context() as moved:
        moved.setenv("TZ", "IST-05:30")
        time.tzset()
        local = time.strftime("%H:%M", time.localtime(0))
        line = orjson.loads(JSONFormatter().format(record))
    time.tzset()

    assert local == "05:30"
    assert line["timestamp"] == "1970-01-01T00:00:00.500000+00:00"


def test_a_line_for_people_ends_with_its_traceback() -> None:
    record = _record("failed", note_id=7)
    try:
        raise ValueError("why\x1b[2J")
    except ValueError:
        record.exc_info = sys.exc_info()

    first, *_, last = ConsoleFormatter().format(record).splitlines()
    assert first.endswith("INFO    failed note_id=7")
    assert last == r"ValueError: why\x1b[2J"


def test_a_value_of_any_type_can_be_logged() -> None:
    line = orjson.loads(JSONFormatter().format(_record("x", thing=object(), by_id={1: b"x"})))

    assert line["thing"].startswith("<object")


class WithoutText:
    """An object whose conversion to text fails."""

    def __str__(self) -> str:
        raise ValueError("HUSH")


class WithoutItems(dict[str, object]):
    """A dictionary whose iteration fails."""

    def items(self) -> Any:  # noqa: ANN401
        raise ValueError("HUSH")


@pytest.fixture
def written() -> io.StringIO:
    """Return the output of the logger `alone`."""
    return io.StringIO()


@pytest.fixture
def alone(written: io.StringIO) -> logging.Logger:
    """Return a logger that has the service's handler, as in production, and no parent."""
    handler = ServiceHandler()
    handler.stream = written
    handler.setFormatter(JSONFormatter())
    made = logging.Logger("app.alone")  # noqa: LOG001  only this test has it
    made.addHandler(handler)
    return made


def test_a_line_whose_values_fail_is_written_all_the_same(
    alone: logging.Logger, written: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    alone.warning("note %d", "password=HUSH")
    alone.warning("note %s", WithoutText())
    alone.warning(WithoutText())
    alone.warning("placed", extra={"note": WithoutText(), "by": {WithoutText(): 7}})
    alone.warning("placed", extra={"note": WithoutItems()})

    number, text, message, values, last = map(orjson.loads, written.getvalue().splitlines())
    assert number["message"] == "note %d (values left out: TypeError)"
    assert text["message"] == "note %s (values left out: ValueError)"
    assert message["message"] == "<WithoutText without text> (values left out: ValueError)"
    assert values["note"] == "<WithoutText without text>"
    assert values["by"] == {"<WithoutText without text>": 7}
    assert last["message"] == "log line could not be formatted"
    assert (last["level"], last["logger"], last["error.type"]) == (
        "WARNING",
        alone.name,
        "ValueError",
    )
    assert last["code.file.path"].endswith("test_logs.py")
    assert last["code.line.number"] > 0
    assert "HUSH" not in written.getvalue()
    assert capfd.readouterr() == ("", "")


def test_a_value_cannot_replace_what_every_line_has(
    alone: logging.Logger, written: io.StringIO
) -> None:
    names = ("timestamp", "level", "logger", "service.name", "service.version")
    alone.warning("placed", extra={"note_id": 7, **dict.fromkeys(names, "forged")})

    line = orjson.loads(written.getvalue())
    assert list(line)[:4] == ["timestamp", "level", "logger", "message"]
    assert line["note_id"] == 7
    assert "forged" not in line.values()


def test_a_line_that_cannot_be_written_fails_nothing_and_prints_nothing_elsewhere(
    alone: logging.Logger, written: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = alone.handlers[0]
    assert isinstance(handler, ServiceHandler)
    reading, writing = os.pipe()
    os.close(reading)
    written.close()
    alone.warning("closed")
    with os.fdopen(writing, "w") as pipe:
        handler.stream = pipe
        alone.warning("password=%s", "HUSH")
    with Path("/dev/full").open("w") as full:
        handler.stream = full
        alone.warning("password=%s", "HUSH")

    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("untouched_root")
def test_production_writes_json_and_further_applications_no_second_line(
    make_app: MakeApp, production: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    root.handlers = [known for known in root.handlers if not isinstance(known, ServiceHandler)]
    make_app()
    make_app(**production, service_version="1.2.3")
    logger.info("once")

    *at_start, line = map(orjson.loads, capsys.readouterr().out.splitlines())
    assert any("ALLOWED_HOSTS" in line["message"] for line in at_start), (
        "no warning about an unwise setting"
    )
    assert line["message"] == "once"
    assert line["service.version"] == "1.2.3"
    assert len([known for known in root.handlers if isinstance(known, ServiceHandler)]) == 1


@pytest.mark.usefixtures("untouched_root")
def test_servers_can_configure_the_same_format(
    production: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    dictConfig(logs.config(Settings.model_validate(production)))
    logging.getLogger("gunicorn.error").warning("worker %s left", 7)

    assert orjson.loads(capsys.readouterr().out)["message"] == "worker 7 left"


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore Python's hooks for warnings and exceptions."""
    for module, name in (
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    logging.captureWarnings(capture=False)
    yield
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("hooks")
def test_warnings_and_uncaught_exceptions_are_logged(log_lines: LogLines) -> None:
    def fail() -> None:
        raise ValueError("password=HUSH")

    class Fragile:
        def __del__(self) -> None:
            fail()

    logs.log_warnings_and_exceptions()
    for act in (fail, sys.exit):  # a thread may end itself
        thread = threading.Thread(target=act, name="worker")
        thread.start()
        thread.join(HANG_TIMEOUT_SECONDS)
    Fragile()
    warnings.showwarning("password=HUSH\nnow", UserWarning, __file__, 1)
    error = ValueError("password=HUSH")
    sys.excepthook(ValueError, error, None)
    nameless = threading.ExceptHookArgs((ValueError, error, None, None))
    threading.excepthook(nameless)

    # Garbage that other tests left is collected at any time, and what goes wrong then is a line too.
    ours = [line for line in log_lines if "password=***" in str(line)]
    in_thread, ignored, warning, uncaught, without_thread = ours
    assert in_thread["message"] == "unhandled exception in thread"
    assert in_thread["thread.name"] == "worker"
    assert ignored["message"] == "exception ignored"
    assert "__del__" in ignored["place"]
    assert warning["logger"] == "py.warnings"
    assert uncaught["level"] == "CRITICAL"
    assert without_thread["thread.name"] is None
    for line in (in_thread, ignored, uncaught):
        assert "ValueError: password=***" in line["exception.stacktrace"]
    assert "HUSH" not in str(log_lines)


@pytest.mark.usefixtures("untouched_root", "hooks")
def test_a_commands_lines_name_it_and_leave_standard_output_alone(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    with click.Context(click.Command("prune"), info_name="flask prune"):
        make_app(log_format="json")
        logger.info("pruned", extra={"number": 7})
        try:
            raise ValueError("password=HUSH")
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
    make_app(log_format="console")

    out, err = capsys.readouterr()
    *_, pruned, failed = map(orjson.loads, err.splitlines())
    assert out == ""
    assert pruned["message"] == "pruned"
    assert pruned["command"] == failed["command"] == "flask prune"
    assert failed["level"] == "CRITICAL"
    assert "ValueError" in failed["exception.stacktrace"]
    assert "HUSH" not in err


@pytest.mark.usefixtures("untouched_root")
def test_the_development_server_writes_to_standard_output(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    with click.Context(click.Command("run"), info_name="run"):
        make_app()
    logger.info("once")

    assert "once" in capsys.readouterr().out


def test_the_development_server_does_not_write_access_lines_of_its_own(
    app: Flask, log_lines: LogLines
) -> None:
    del app
    werkzeug = logging.getLogger("werkzeug")
    werkzeug.warning('127.0.0.1 - - [now] "GET / HTTP/1.1" 200')
    werkzeug.warning("Running on http://127.0.0.1:8000")

    assert [line["message"] for line in log_lines] == ["Running on http://127.0.0.1:8000"]


@pytest.mark.process
def test_a_command_prints_only_its_result_and_logs_like_the_service() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "check"],
        cwd=Path(__file__).parents[3],
        env={"PATH": os.environ["PATH"], "APP_ENV": "testing", "LOG_FORMAT": "json"}
        | {"FLASK_SKIP_DOTENV": "1", "PYTHONDONTWRITEBYTECODE": "1", "ALLOWED_HOSTS": "*"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert all(re.match(r"[A-Z0-9_]+=", line) for line in done.stdout.splitlines())
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    for line in map(orjson.loads, lines):
        assert line["command"].startswith("python -m flask")
    assert "ALLOWED_HOSTS" in lines[0]


def _for_people(client: FlaskClient, *paths: str, coloured: bool) -> list[str]:
    """Return the lines for people of requests."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(ConsoleFormatter(coloured=coloured))
    logs.ACCESS.addHandler(handler)
    for path in paths:
        client.get(path)
    logs.ACCESS.removeHandler(handler)
    return stream.getvalue().splitlines()


def test_a_request_is_one_short_line_for_people(client: FlaskClient) -> None:
    found, missing, escaped = _for_people(
        client, "/api/docs?token=HUSH", "/nowhere", "/a%0Ab%1B", coloured=False
    )

    assert re.fullmatch(r"\d\d:\d\d:\d\d GET    /api/docs 200 \d+ ms", found)
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET    /nowhere 404 \d+ ms", missing)
    assert r"/a\nb\x1b 404" in escaped


def test_colours_show_the_outcome_of_a_request(client: FlaskClient) -> None:
    found, missing = _for_people(client, "/api/docs", "/nowhere", coloured=True)

    assert "\x1b[32m200\x1b[0m" in found
    assert "\x1b[33m404\x1b[0m" in missing


def test_a_slow_request_is_marked_on_the_console(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    app = make_app(slow_request_ms=1)

    @app.get("/slow")
    def slow() -> str:
        time.sleep(0.01)
        return ""

    app.test_client().get("/slow")

    assert re.search(r"GET    /slow 200 \d+ ms slow\n", capsys.readouterr().out)


def test_only_a_terminal_has_colours_and_only_if_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    for value, coloured in (("1", False), ("0", False), ("", True)):
        monkeypatch.setenv("NO_COLOR", value)
        assert logs.takes_colours(Terminal()) is coloured, value
    assert not logs.takes_colours(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not logs.takes_colours(Terminal())


def _run_context(**params: object) -> click.Context:
    context = click.Context(click.Command("run"), info_name="run")
    context.params = {"host": "127.0.0.1", "port": 8000, **params}
    return context


@pytest.mark.usefixtures("untouched_root")
def test_the_url_is_printed_once_by_the_process_that_serves(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unwise = {"allowed_hosts": ("*",)}
    for params, reloaded, urls in (
        ({"reload": True}, False, []),  # starts the one that serves
        ({"reload": True}, True, ["http://127.0.0.1:8000/"]),
        ({"host": "::1", "cert": "adhoc"}, False, ["https://[::1]:8000/"]),
    ):
        monkeypatch.setenv("WERKZEUG_RUN_MAIN", str(reloaded).lower())
        with _run_context(**params):
            make_app(**unwise)
        output = capsys.readouterr().out
        assert re.findall(r"^\s+(http\S+)$", output, re.MULTILINE) == urls
        assert ("any Host header are accepted" in output) == bool(urls)
    with _run_context():
        make_app(log_format="json")
    assert (
        orjson.loads(capsys.readouterr().out.splitlines()[-1])["url.full"]
        == "http://127.0.0.1:8000/"
    )


@pytest.mark.process
def test_in_a_terminal_the_development_server_shows_its_url_and_short_lines() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    master, terminal = pty.openpty()
    server = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", "run", "--debug", "--port", url[17:-1]],
        cwd=Path(__file__).parents[3],
        env={"PATH": os.environ["PATH"], "APP_ENV": "testing", "TERM": "xterm"}
        | {"FLASK_SKIP_DOTENV": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,  # its reloader starts another process
    )
    os.close(terminal)
    output, requested = "", False
    try:
        deadline = time.monotonic() + HANG_TIMEOUT_SECONDS
        while "GET    /nowhere" not in output and time.monotonic() < deadline:
            if select.select([master], [], [], HANG_TIMEOUT_SECONDS)[0]:
                output += os.read(master, 65_536).decode()
            if url in output and not requested:
                requested = True
                with pytest.raises(HTTPError, match="404"):
                    urlopen(f"{url}nowhere?password=HUSH", timeout=HANG_TIMEOUT_SECONDS)  # noqa: S310  our own
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=HANG_TIMEOUT_SECONDS)
        os.close(master)

    lines = [click.unstyle(line) for line in output.splitlines()]
    assert f"  {url}" in lines
    assert any(re.fullmatch(r"\d\d:\d\d:\d\d GET    /nowhere 404 \d+ ms", line) for line in lines)
    assert "\x1b[33m404\x1b[0m" in output
    for unwanted in ("\\x1b", "\\n", "request_id", "development server", "HUSH"):
        assert unwanted not in output
