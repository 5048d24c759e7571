"""Keeps log lines whole: short enough for a pipe, and each written by one call.

Lines of processes that share a pipe may be interleaved, unless each write has at most PIPE_BUF
bytes (POSIX, write; 4,096 on Linux). Lines to a pipe or a socket are therefore cut to that size:
the longest values lose their middle, with a mark, until the line fits. A traceback keeps its first
and last frames.
"""

import os
import select
import stat
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import orjson

from app.core import telemetry

LINE_BYTES = 4_096  # PIPE_BUF on Linux; includes the line break
MIN_VALUE_BYTES = 96  # the fewest bytes of a value, with its mark; below that, fields are left out
# REQUIRED_FIELDS are never left out, and UNCUT_FIELDS are never cut.
UNCUT_FIELDS = (
    telemetry.TIMESTAMP,
    telemetry.LEVEL,
    telemetry.LOGGER,
    telemetry.PROCESS_PID,
    telemetry.SERVICE_NAME,
    telemetry.SERVICE_VERSION,
    telemetry.REQUEST_ID,
    # {% if cookiecutter.tracing %}
    telemetry.TRACE_ID,
    telemetry.SPAN_ID,
    # {% endif %}
)
REQUIRED_FIELDS = (*UNCUT_FIELDS, telemetry.MESSAGE, telemetry.EXCEPTION_STACKTRACE)
MAX_DEPTH = 16  # levels of nested mappings and lists


def max_line_bytes(stream: TextIO) -> int | None:
    """Return the maximum bytes of a line to this stream, with its line break; None if unlimited."""
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # not a file of the operating system
        return None
    return LINE_BYTES if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def write(stream: TextIO, text: str) -> None:
    """Write text directly to the file descriptor, so that text within PIPE_BUF is not interleaved.

    Raises:
        OSError: when the write fails, for example because the pipe has no reader.
        ValueError: when the stream is closed.

    """
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError):
        stream.write(text)
        stream.flush()
        return
    stream.flush()  # text that other code has printed
    data = text.encode("utf-8", "backslashreplace")
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # another process has set the shared pipe to non-blocking
            select.select([], [descriptor], [])


def dumps(line: Mapping[str, Any]) -> bytes:
    """Encode a line as JSON; values of any type are accepted."""
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # a lone surrogate, or an integer of more than 64 bits
        return orjson.dumps(_writable(line))


def _writable(value: object, depth: int = 0) -> object:
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        return {
            str(_writable(str(key))): _writable(below, depth + 1) for key, below in value.items()
        }
    if isinstance(value, list) and depth < MAX_DEPTH:
        return [_writable(below, depth + 1) for below in value]
    if isinstance(value, int) and value.bit_length() > 63:  # noqa: PLR2004
        return hex(value)  # Python limits the length of decimal conversions only
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode()


def fit(line: Mapping[str, Any], max_size: int) -> bytes:
    """Encode a line as JSON of at most `max_size` bytes; the longest values lose their middle."""
    whole = dumps(line)
    if len(whole) <= max_size:
        return whole
    # Decode it again, so that all values are JSON types.
    fields: dict[str, Any] = {**orjson.loads(whole), telemetry.SHORTENED: True}
    share = _share(fields, max_size)
    if share < MIN_VALUE_BYTES:
        required = (*REQUIRED_FIELDS, telemetry.SHORTENED)
        remaining = {name: value for name, value in fields.items() if name in required}
        fields = {**remaining, telemetry.FIELDS_LEFT_OUT: len(fields) - len(remaining)}
        share = _share(fields, max_size)
    return dumps(
        {
            name: value if name in UNCUT_FIELDS else _within(value, share)
            for name, value in fields.items()
        }
    )


def _share(fields: Mapping[str, Any], max_size: int) -> int:
    """Return the most bytes of each value: short values leave their share to long ones."""
    sizes = sorted(_size(value) for value in fields.values())
    room = max_size - (len(dumps(fields)) - sum(sizes))
    for position, size in enumerate(sizes):
        waiting = len(sizes) - position
        if size * waiting > room:
            return room // waiting
        room -= size
    return max_size


def _within(value: object, share: int) -> object:
    if _size(value) <= share:
        return value
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return keep_ends(text, share, _size)


def _size(value: object) -> int:
    return len(orjson.dumps(value))


def keep_ends(text: str, max_size: int, size: Callable[[str], int], head: float = 0.3) -> str:
    """Return the beginning and the end of a text, with a mark in place of the middle.

    Args:
        text: the text to shorten.
        max_size: the maximum size of the result.
        size: returns the size of a text in bytes.
        head: the share of the remaining characters that come from the beginning.

    """

    def cut(length: int) -> str:
        first = int(length * head)
        last = text[len(text) - (length - first) :]
        return f"{text[:first]} … {len(text) - length} characters left out … {last}"

    # A binary search; no character takes less than a byte.
    low, high = 0, min(max_size, len(text))
    while low < high:
        middle = (low + high + 1) // 2
        if size(cut(middle)) <= max_size:
            low = middle
        else:
            high = middle - 1
    return cut(low)
