"""Structured logs: one JSON line an event in production, readable lines in development.

Any code logs with the standard library (`logger.info("order placed", extra={"order_id": …})`):
words for people in the message, values for machines in `extra`.
"""

import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, TextIO

import click
import orjson
from flask import Flask

from app.core import pipeline
from app.core.config import CoreSettings
from app.core.pipeline import Exchange

ACCESS = logging.getLogger("app.access")

logger = logging.getLogger(__name__)

LONGEST_AGENT = 256  # characters of what a client calls itself

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MASK = "***"
# Every pattern below is searched in text that clients write: none may read it more than once.
_SENSITIVE = r"(?:password|passwd|secret|token|authorization|cookie|api[_-]?key|private[_-]?key)"
_SENSITIVE_NAME = re.compile(rf"[\w-]*{_SENSITIVE}", re.IGNORECASE)
_SENSITIVE_TEXT = re.compile(
    rf"""(?P<name>{_SENSITIVE}["']?\s*[=:]\s*["']?(?:(?:bearer|basic)\s+)?)[^\s"',;&}}]+"""  # name=value
    r"|(?P<scheme>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"  # an Authorization header
    r"|(?P<url>://)[^\s/@:]*:[^\s/@]*(?=@)"  # user:password in a URL
    r"|(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*",  # a JSON web token
    re.IGNORECASE,
)

# What every match of the pattern above contains: most texts have none of it, which is quicker to see.
_HINTS = ("pass", "secret", "token", "auth", "cookie", "key", "bearer", "basic", "://", "eyj")

# Control characters, line separators, and what turns the direction of writing.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def redact(text: str) -> str:
    """Mask passwords, tokens and keys in free text."""
    # Beyond ASCII, letters have more cases than `lower` knows and the pattern does.
    if text.isascii() and not any(map(text.lower().__contains__, _HINTS)):
        return text
    return _SENSITIVE_TEXT.sub(
        lambda match: (match["name"] or match["scheme"] or match["url"] or "") + _MASK, text
    )


@lru_cache(maxsize=1_024)
def _is_sensitive(name: str) -> bool:
    return _SENSITIVE_NAME.fullmatch(name) is not None


def _masked(name: str, value: object) -> object:
    if _is_sensitive(name):
        return _MASK
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(key): _masked(str(key), below) for key, below in value.items()}
    return value


def _extra(record: logging.LogRecord) -> dict[str, object]:
    """Return what the caller put in `extra`, with the ids of the request it belongs to."""
    exchange = pipeline.current()
    extra: dict[str, object] = dict(exchange.log_fields) if exchange else _command()
    for name, value in vars(record).items():
        if name not in _STANDARD:
            extra[name] = _masked(name, value)
    return extra


def _command() -> dict[str, object]:
    """Return which command runs, such as `flask db upgrade`, if one does."""
    running = click.get_current_context(silent=True)
    return {"command": running.command_path} if running else {}


class JSONFormatter(logging.Formatter):
    """One JSON object a line: timestamp, level, logger, message, service, then the values."""

    def __init__(self, service: str = "", version: str = "") -> None:
        """Take what names this deployment in every line."""
        super().__init__()
        self._deployment = {"service": service, "version": version}

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line break."""
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "process": record.process,
            **self._deployment,
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _harmless(text: str) -> str:
    """Spell out what would begin a line, or move, colour and hide text in a terminal."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class ConsoleFormatter(logging.Formatter):
    """Lines for a person at a terminal: time, level, message, then the values."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback below it if there is one."""
        clock = datetime.fromtimestamp(record.created, UTC).astimezone()
        values = " ".join(f"{name}={value}" for name, value in _extra(record).items())
        said = _harmless(redact(record.getMessage()))
        line = f"{clock:%H:%M:%S} {record.levelname:<7} {said} {_harmless(values)}".rstrip()
        if record.exc_info:
            line += "\n" + redact(self.formatException(record.exc_info))
        return line


class AccessLog:
    """Writes one line a request, when its response has been sent."""

    def __init__(self, slow_ms: int) -> None:
        """Take from how many milliseconds on a request is told of as slow; 0: never."""
        self._slow_ms = slow_ms or float("inf")

    def began(self, exchange: Exchange) -> None:
        """Wait for the end: one line says it all."""

    def finished(self, exchange: Exchange) -> None:
        """Write the line."""
        environ = exchange.environ
        duration_ms = round(exchange.seconds * 1e3, 3)
        # One line all the same, so that lines can be counted as requests.
        slow = duration_ms >= self._slow_ms
        level = logging.WARNING if slow else logging.INFO
        if not ACCESS.isEnabledFor(level):
            return
        # Made here, because `log` would walk up the stack to say that it was called from here.
        record = ACCESS.makeRecord(
            ACCESS.name,
            level,
            __file__,
            0,
            "%s %s %s is slow" if slow else "%s %s %s",
            (exchange.method, exchange.route or "-", exchange.status),
            None,
            extra={
                "method": exchange.method,
                "route": exchange.route,
                "status": exchange.status,
                "duration_ms": duration_ms,
                "sent_bytes": exchange.sent_bytes,
                "client_address": environ.get("REMOTE_ADDR") or None,
                "user_agent": environ.get("HTTP_USER_AGENT", "")[:LONGEST_AGENT] or None,
            },
        )
        ACCESS.handle(record)


class ServiceHandler(logging.StreamHandler[TextIO]):
    """Writes to standard output, as twelve-factor services do; a class, so that it is found."""

    def __init__(self) -> None:
        """Write to where standard output goes now."""
        super().__init__(sys.stdout)


def formatter(settings: CoreSettings) -> logging.Formatter:
    """Return the formatter that these settings ask for."""
    if settings.logs_as_json:
        return JSONFormatter(settings.service_name, settings.service_version)
    return ConsoleFormatter()


def config(settings: CoreSettings) -> dict[str, Any]:
    """Return a logging.config dictionary, for servers that configure logging themselves."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"service": {"()": lambda: formatter(settings)}},
        "handlers": {
            "service": {
                "()": ServiceHandler,
                "formatter": "service",
            }
        },
        "root": {"level": settings.log_level, "handlers": ["service"]},
    }


def init_app(app: Flask, settings: CoreSettings) -> None:
    """Write this application's log lines to standard output, and one line a request."""
    stream = _stream()
    root = logging.getLogger()
    root.setLevel(settings.log_level)
    # Logging is the process's, not the application's: a second application in this process
    # takes the same handler over instead of writing every line twice.
    handler = next((known for known in root.handlers if isinstance(known, ServiceHandler)), None)
    if handler is None:
        handler = ServiceHandler()
        root.addHandler(handler)
    handler.stream = stream  # not setStream, which would flush one that is closed
    handler.setFormatter(formatter(settings))
    logging.getLogger("werkzeug").addFilter(_not_an_access_line)
    pipeline.of(app).observers.append(AccessLog(settings.slow_request_ms))
    for warning in settings.warnings():
        logger.warning(warning)


def _stream() -> TextIO:
    """Return where lines go: a command's own words have standard output for themselves.

    What ends a command that failed is then a line like all others, not a bare traceback.
    """
    running = click.get_current_context(silent=True)
    if running is None or running.info_name == "run":
        return sys.stdout
    sys.excepthook = _log_uncaught
    return sys.stderr


def _log_uncaught(
    kind: type[BaseException], error: BaseException, where: TracebackType | None
) -> None:
    logger.critical("unhandled exception", exc_info=(kind, error, where))


def _not_an_access_line(record: logging.LogRecord) -> bool:
    """Drop the development server's own access lines: ours say more."""
    return " - - [" not in str(record.msg)
