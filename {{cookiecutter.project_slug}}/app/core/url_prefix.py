"""Serve the application below a path of its host: `URL_PREFIX=/shop`.

Proxies pass on the path with or without the prefix, and probes omit it: the service answers both.
All URLs that it generates have the prefix: links and redirects through SCRIPT_NAME (PEP 3333),
which `url_for` prepends to each URL; the OpenAPI document, cookies and links in emails through the
setting. X-Forwarded-Prefix is ignored, because a client could use it to choose where links lead.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import flask
from flask import request
from werkzeug.wrappers import Response

from app.core.config import CoreSettings, InvalidSettings
from app.core.extension import Extension

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Flask(flask.Flask):
    """A Flask application that adds the prefix to redirects to its own paths, as `url_for` does."""

    def redirect(self, location: str, code: int = 302) -> Response:
        """Return a redirect; `flask.redirect` calls this method."""
        own = location.startswith("/") and not location.startswith("//")
        if own and not is_below(re.split("[?#]", location)[0], request.script_root):
            location = request.script_root + location
        return super().redirect(location, code)


class PrefixMiddleware:
    """WSGI middleware that removes the prefix from the path of a request.

    The prefix starts with `/`, and does not end with one. Without URL_PREFIX this middleware is not
    used, and the server's SCRIPT_NAME applies.
    """

    def __init__(self, wsgi_app: "WSGIApplication", prefix: str) -> None:
        self._wsgi_app = wsgi_app
        self._prefix = prefix

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Serve one request."""
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if is_below(path, self._prefix):
            path = path.removeprefix(self._prefix) or "/"
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = self._prefix, path
        return self._wsgi_app(environ, start_response)


def is_below(path: str, prefix: str) -> bool:
    """Return whether a path is the prefix or below it."""
    return f"{path}/".startswith(f"{prefix}/")


url_prefix = Extension[str]("url_prefix")
"""Empty if there is none."""


def mount(app: flask.Flask, settings: CoreSettings) -> flask.Flask:
    """Serve an application below its prefix, if any. Call it after all routes are registered.

    Raises:
        InvalidSettings: when a route starts with the first segment of the prefix: paths with and
            without the prefix could not be distinguished.

    """
    url_prefix.set(app, settings.url_prefix)
    if settings.url_prefix:
        first = settings.url_prefix.split("/")[1]
        if any(rule.rule.split("/")[1] == first for rule in app.url_map.iter_rules()):
            raise InvalidSettings({"URL_PREFIX": f"begins as routes of this service do: /{first}"})
        app.wsgi_app = PrefixMiddleware(app.wsgi_app, settings.url_prefix)  # type: ignore[method-assign]  # Flask's documented way
    return app
