"""The style sheet, the script and the icon: kept by browsers for as long as they stay the same."""

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory, url_for

from app.core.errors import NotFound

FOLDER = Path(__file__).parent / "static"
NAMES = frozenset(path.name for path in FOLDER.iterdir())
A_YEAR = 31_536_000  # seconds

blueprint = Blueprint("assets", __name__)


def versioned(name: str) -> str:
    """Return the URL of a file that changes when the file does."""
    return url_for("pages.assets.asset", name=name, v=_version(name))


@blueprint.get("/static/<name>")
def asset(name: str) -> Response:
    """Send a file; a URL that names its version is good for ever, any other is asked again."""
    if name not in NAMES:
        raise NotFound
    version = _version(name)
    current = request.args.get("v") == version
    answer = send_from_directory(FOLDER, name, etag=version, max_age=A_YEAR if current else None)
    answer.cache_control.immutable = current
    return answer


@blueprint.get("/favicon.ico")
def icon() -> Response:
    """Send the icon to whoever asks without having read the page."""
    return asset("icon.svg")


def _version(name: str) -> str:
    return _digest(name, (FOLDER / name).stat().st_mtime_ns)


@lru_cache
def _digest(name: str, changed: int) -> str:
    """Hash a file; its date is a parameter, so that a change is noticed while one works on it."""
    del changed
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:16]
