"""The style sheet, the script and the icon, with URLs that browsers can cache indefinitely."""

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
    """Return the URL of a file, with a version that changes with its content."""
    return url_for("pages.assets.asset", name=name, v=_version(name))


@blueprint.get("/static/<name>")
def asset(name: str) -> Response:
    """Send a file: immutable if the URL has its current version, otherwise to be revalidated."""
    if name not in NAMES:
        raise NotFound
    version = _version(name)
    current = request.args.get("v") == version
    response = send_from_directory(FOLDER, name, etag=version, max_age=A_YEAR if current else None)
    response.cache_control.immutable = current
    return response


@blueprint.get("/favicon.ico")
def icon() -> Response:
    """Send the icon to clients that request its default URL without reading the page."""
    return asset("icon.svg")


def _version(name: str) -> str:
    return _digest(name, (FOLDER / name).stat().st_mtime_ns)


@lru_cache
def _digest(name: str, changed: int) -> str:
    """Hash a file. Its modification time is a parameter, so that a change invalidates the cache."""
    del changed
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:16]
