"""Refuse text that this service cannot store: all parts of a request must be UTF-8 without NUL.

PostgreSQL stores no NUL, no database stores invalid UTF-8, and a log line or a file name ends at a
NUL. So this text is refused for every route, before anything reads it.
"""

from urllib.parse import unquote_to_bytes

from flask import Flask, request

from app.core.errors import Problem

NUL = "\0"
SENTENCE = "Must not contain NUL (U+0000)."

Errors = dict[str | int, "Errors | list[str]"]


class UnreadableURL(Problem):
    """The path or the query decodes to a NUL or to invalid UTF-8."""

    code = "unreadable_url"
    detail = "The URL must be UTF-8 without NUL (percent-encoded, RFC 3986, section 2.5)."


def init_app(app: Flask) -> None:
    """Check the URL of each request."""
    app.before_request(_refuse_unreadable_url)


def _refuse_unreadable_url() -> None:
    """Check the bytes, because Werkzeug replaces what it cannot decode, or leaves it encoded.

    Raises:
        UnreadableURL: for a NUL or invalid UTF-8.

    """
    environ = request.environ
    # WSGI provides bytes as Latin-1 (PEP 3333), the path decoded and the query as it was sent.
    path, query = (environ[name].encode("latin-1") for name in ("PATH_INFO", "QUERY_STRING"))
    if not (_is_text(path) and _is_text(unquote_to_bytes(query) if b"%" in query else query)):
        raise UnreadableURL


def _is_text(value: bytes) -> bool:
    try:
        return NUL not in value.decode()
    except UnicodeDecodeError:
        return False


def nul_errors(value: object) -> Errors | list[str]:
    """Return an error for each NUL in a parsed JSON value, in marshmallow's form; empty if none.

    For a NUL in a member's name the error names the object that contains the member, so that
    nothing of the request is repeated.
    """
    if isinstance(value, str):
        return [SENTENCE] if NUL in value else []
    if isinstance(value, list):
        places = {index: nul_errors(each) for index, each in enumerate(value)}
        return {index: found for index, found in places.items() if found}
    if isinstance(value, dict):
        inside = {
            "_schema" if NUL in name else name: [SENTENCE] if NUL in name else nul_errors(each)
            for name, each in value.items()
        }
        return {name: found for name, found in inside.items() if found}
    return []
