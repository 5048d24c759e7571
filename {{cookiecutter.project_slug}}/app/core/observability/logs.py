"""Structured logs: one JSON line per event in production, readable lines in development.

Log with the standard library (`logger.info("note written", extra={"note_id": …})`): the message is
for people, the values in `extra` are for machines.
"""

import logging
import os
import re
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import click
from flask import Flask
from flask.helpers import get_debug_flag
from werkzeug.serving import is_running_from_reloader

from app.core import pipeline, telemetry
from app.core.config import CoreSettings
from app.core.observability import log_lines
from app.core.observability.redaction import masked, redact, text_of
from app.core.pipeline import RequestInfo, request_pipeline

ACCESS = logging.getLogger("app.access")

logger = logging.getLogger(__name__)

MAX_AGENT_LENGTH = 256  # characters of a User-Agent header

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# Control characters, line separators, characters that set the writing direction, and surrogates.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# SGR parameters (ECMA-48); each terminal maps these colours to its own palette.
_GREY, _GREEN, _CYAN, _YELLOW, _RED = "90", "32", "36", "33", "31"
_BY_LEVEL = {"DEBUG": _GREY, "WARNING": _YELLOW, "ERROR": _RED, "CRITICAL": _RED}
_BY_CLASS = {2: _GREEN, 3: _CYAN, 4: _YELLOW, 5: _RED}


def _values(record: logging.LogRecord) -> dict[str, object]:
    """Return the values passed in `extra`, with secrets masked."""
    return {
        name: masked(name, value) for name, value in vars(record).items() if name not in _STANDARD
    }


def _message(record: logging.LogRecord) -> str:
    """Return the message, without its values if they cannot be formatted."""
    try:
        return redact(record.getMessage())
    except Exception as error:  # noqa: BLE001  the code of a value may raise anything
        return redact(f"{text_of(record.msg)} (values left out: {type(error).__name__})")


def _ids() -> dict[str, str]:
    """Return the ids of the request, or the command, that a line belongs to."""
    info = pipeline.current_or_none()
    if info:
        return info.log_fields
    context = click.get_current_context(silent=True)
    return {telemetry.COMMAND: context.command_path} if context else {}


class JSONFormatter(logging.Formatter):
    """Formats a record as a line of JSON: timestamp, level, logger, message, service, then values.

    A line has at most `max_bytes` bytes, with its line break.
    """

    def __init__(self, service: str = "", version: str = "", max_bytes: int | None = None) -> None:
        super().__init__()
        self._deployment = {telemetry.SERVICE_NAME: service, telemetry.SERVICE_VERSION: version}
        self._max_bytes = max_bytes

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line break."""
        own: dict[str, object] = {
            telemetry.TIMESTAMP: datetime.fromtimestamp(record.created, UTC),
            telemetry.LEVEL: record.levelname,
            telemetry.LOGGER: record.name,
            telemetry.MESSAGE: _message(record),
            telemetry.PROCESS_PID: record.process,
            **self._deployment,
        }
        # First for the order, and last so that no value in `extra` replaces one.
        line = {**own, **_ids(), **_values(record), **own}
        if record.exc_info:
            line[telemetry.EXCEPTION_STACKTRACE] = redact(self.formatException(record.exc_info))
        encoded = (
            log_lines.fit(line, self._max_bytes - 1) if self._max_bytes else log_lines.dumps(line)
        )
        return encoded.decode()


def _escape_control_characters(text: str) -> str:
    """Escape characters that would start a line, or move, colour or hide text in a terminal."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class ConsoleFormatter(logging.Formatter):
    """Formats a record for a terminal: time, level, message, values; requests have a short form.

    IDs appear in JSON only. A line and its traceback have at most `max_bytes` bytes.
    """

    def __init__(self, *, coloured: bool = False, max_bytes: int | None = None) -> None:
        super().__init__()
        self._coloured = coloured
        self._max_bytes = max_bytes

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, followed by the traceback if there is one."""
        info = pipeline.current_or_none()
        if record.name == ACCESS.name and info:
            line = self._of_request(record, info)
        else:
            line = self._of_event(record)
        clock = datetime.fromtimestamp(record.created, UTC).astimezone()
        line = f"{self._in(_GREY, f'{clock:%H:%M:%S}')} {line}"
        if record.exc_info:
            traceback = redact(self.formatException(record.exc_info)).split("\n")
            line = "\n".join([line, *map(_escape_control_characters, traceback)])
        if self._max_bytes and len(line.encode("utf-8", "backslashreplace")) >= self._max_bytes:
            line = log_lines.keep_ends(
                line,
                self._max_bytes - 1,
                lambda text: len(text.encode("utf-8", "backslashreplace")),
            )
        return line

    def _of_event(self, record: logging.LogRecord) -> str:
        values = " ".join(f"{name}={value}" for name, value in _values(record).items())
        message = _escape_control_characters(_message(record))
        level = self._in(_BY_LEVEL.get(record.levelname), f"{record.levelname:<7}")
        return f"{level} {message} {_escape_control_characters(values)}".rstrip()

    def _of_request(self, record: logging.LogRecord, info: RequestInfo) -> str:
        """Return method, path, status and milliseconds; not the query, which may hold secrets."""
        environ = info.environ
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        path = _escape_control_characters(path.encode("latin-1").decode(errors="backslashreplace"))
        status = self._in(_BY_CLASS.get(info.status // 100), str(info.status))
        slow = self._in(_YELLOW, " slow") if record.levelno >= logging.WARNING else ""
        return f"{info.method:<6} {path} {status} {info.seconds * 1e3:.0f} ms{slow}"

    def _in(self, colour: str | None, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and self._coloured else text


class AccessLog:
    """Logs one line per request, when its response has been sent.

    A request that takes at least `slow_ms` milliseconds is logged as a warning; 0: none is.
    """

    def __init__(self, slow_ms: int) -> None:
        self._slow_seconds = slow_ms / 1e3 or float("inf")

    def log(self, info: RequestInfo) -> None:
        """Log a finished request."""
        environ = info.environ
        duration = round(info.seconds, 6)
        # A slow request has one line too, so that the number of lines is the number of requests.
        slow = duration >= self._slow_seconds
        level = logging.WARNING if slow else logging.INFO
        if not ACCESS.isEnabledFor(level):
            return
        # `Logger.log` would walk up the stack to find its caller, which is known here.
        record = ACCESS.makeRecord(
            ACCESS.name,
            level,
            __file__,
            0,
            "%s %s %s slow" if slow else "%s %s %s",
            (info.method, info.route or "-", info.status),
            None,
            extra={
                telemetry.HTTP_REQUEST_METHOD: info.method,
                telemetry.HTTP_ROUTE: info.route,
                telemetry.HTTP_RESPONSE_STATUS_CODE: info.status,
                telemetry.DURATION: duration,
                telemetry.HTTP_RESPONSE_BODY_SIZE: info.sent_bytes,
                telemetry.CLIENT_ADDRESS: environ.get("REMOTE_ADDR") or None,
                telemetry.USER_AGENT_ORIGINAL: (
                    environ.get("HTTP_USER_AGENT", "")[:MAX_AGENT_LENGTH] or None
                ),
            },
        )
        ACCESS.handle(record)


class ServiceHandler(logging.StreamHandler[TextIO]):
    """Writes to standard output, as a twelve-factor app does; each line by one write."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; a record that cannot be formatted is replaced by a line that says so."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001  the code of a value may raise anything
            line = self.format(_of_failure(record, error))
        # There is no other place to report a closed pipe or a full disk.
        with suppress(OSError, ValueError):
            log_lines.write(self.stream, line + self.terminator)


def _of_failure(record: logging.LogRecord, error: Exception) -> logging.LogRecord:
    """Return the record to log in place of one that cannot be formatted."""
    args = {
        telemetry.ERROR_TYPE: type(error).__name__,
        telemetry.CODE_FILE_PATH: record.pathname,
        telemetry.CODE_LINE_NUMBER: record.lineno,
    }
    attributes = {name: getattr(record, name) for name in ("name", "levelno", "levelname")}
    return logging.makeLogRecord({**attributes, **args, "msg": "log line could not be formatted"})


def takes_colours(stream: TextIO) -> bool:
    """Return whether a stream is a terminal with colours, and NO_COLOR is unset (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def formatter(settings: CoreSettings, stream: TextIO) -> logging.Formatter:
    """Return the formatter for these settings and this stream."""
    max_bytes = log_lines.max_line_bytes(stream)
    if settings.logs_as_json:
        return JSONFormatter(settings.telemetry_name, settings.telemetry_version, max_bytes)
    return ConsoleFormatter(coloured=takes_colours(stream), max_bytes=max_bytes)


def config(settings: CoreSettings) -> dict[str, Any]:
    """Return a logging.config dictionary, for servers that configure logging themselves."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"service": {"()": lambda: formatter(settings, sys.stdout)}},
        "handlers": {
            "service": {
                "()": ServiceHandler,
                "formatter": "service",
            }
        },
        "root": {"level": settings.log_level, "handlers": ["service"]},
    }


def init_app(app: Flask, settings: CoreSettings) -> None:
    """Set up the logs of the application, with one line per request."""
    stream = _stream()
    root = logging.getLogger()
    root.setLevel(settings.log_level)
    # Logging belongs to the process: a second application in it reuses the handler, because a
    # second handler would write every line twice.
    handler = next((known for known in root.handlers if isinstance(known, ServiceHandler)), None)
    if handler is None:
        handler = ServiceHandler()
        root.addHandler(handler)
    handler.stream = stream  # `setStream` would flush the old stream, which may be closed
    handler.setFormatter(formatter(settings, stream))
    logging.getLogger("werkzeug").addFilter(_without_server_lines)
    request_pipeline.of(app).on_finish.append(AccessLog(settings.slow_request_ms).log)
    if not _is_reloader():
        for warning in settings.warnings():
            logger.warning(warning)


def _stream() -> TextIO:
    """Return the stream for log lines: standard error in commands, which print to standard output.

    An unhandled exception in a command is then logged as well, not printed as a bare traceback.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name == "run":
        return sys.stdout
    log_warnings_and_exceptions()
    return sys.stderr


def log_warnings_and_exceptions() -> None:
    """Log warnings and unhandled exceptions, in a process that belongs to the service."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable


def _log_uncaught(
    kind: type[BaseException], error: BaseException, where: TracebackType | None
) -> None:
    logger.critical("unhandled exception", exc_info=(kind, error, where))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else None
        error = (args.exc_type, args.exc_value, args.exc_traceback)
        fields = {telemetry.THREAD_NAME: name}
        logger.error("unhandled exception in thread", exc_info=error, extra=fields)


def _log_unraisable(args: "sys.UnraisableHookArgs") -> None:
    logger.error(
        "exception ignored",
        exc_info=args.exc_value,
        extra={telemetry.PLACE: args.err_msg or text_of(args.object)},
    )


def _is_reloader() -> bool:
    """Return whether this process only starts the one that serves, as `flask run --debug` does."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "run" or is_running_from_reloader():
        return False
    reload = context.params.get("reload")
    return get_debug_flag() if reload is None else bool(reload)


def _without_server_lines(record: logging.LogRecord) -> bool:
    """Drop the development server's lines that our own replace; strip the colours from others."""
    text = click.unstyle(record.getMessage())
    if " - - [" in text or text.startswith(_DEVELOPMENT_SERVER_LINES):
        return False
    record.msg, record.args = text.strip(" *"), None
    return True


_DEVELOPMENT_SERVER_LINES = (
    "WARNING: This is a development server",
    "Press CTRL+C",
    " * Running on",
    " * Restarting with",
    " * Debugger is active",
)


def show_server_url(settings: CoreSettings) -> None:
    """Print or log the URL of the development server, as the last line of its start."""
    context = click.get_current_context(silent=True)
    if context is None or "port" not in context.params or _is_reloader():
        return
    host, port = context.params["host"], context.params["port"]
    scheme = "https" if context.params.get("cert") else "http"
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{settings.url_prefix}/"
    if settings.logs_as_json:
        logger.info("listening", extra={telemetry.URL_FULL: url})
        return
    styled_url = click.style(url, bold=True) if takes_colours(sys.stdout) else url
    click.echo(f"\n  {styled_url}\n")
