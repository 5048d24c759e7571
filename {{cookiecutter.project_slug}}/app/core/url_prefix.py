"""A service below a path of its host: `URL_PREFIX=/shop`, the one place that says so.

Proxies pass the path on as it came, or without the prefix, and probes ask without it: the service
answers both. What it hands out has the prefix: links and redirects by SCRIPT_NAME (PEP 3333), which
`url_for` puts before each URL, and the API document, cookies and links in emails by the setting. No
header of a request counts (X-Forwarded-Prefix): whoever sends one could choose where links lead.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import flask
from flask import request
from werkzeug.wrappers import Response

from app.core.config import CoreSettings, InvalidSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KEY = "URL_PREFIX"


class Flask(flask.Flask):
    """A Flask application whose redirects to its own paths have the prefix, as `url_for` has."""

    def redirect(self, location: str, code: int = 302) -> Response:
        """Answer with a redirect; `flask.redirect` calls this."""
        own = location.startswith("/") and not location.startswith("//")
        if own and not is_below(re.split("[?#]", location)[0], request.script_root):
            location = request.script_root + location
        return super().redirect(location, code)


class Mounted:
    """The WSGI layer that takes the prefix off the path of a request.

    Without a setting the prefix is what the server says, for an application that is mounted there.
    """

    def __init__(self, wsgi_app: "WSGIApplication", prefix: str) -> None:
        """Take the prefix: `/` and segments, without a `/` at its end."""
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
    """Tell whether a path is the prefix, or leads on from it."""
    return f"{path}/".startswith(f"{prefix}/")


def of(app: flask.Flask) -> str:
    """Return the prefix that is set for this application."""
    return str(app.config[KEY])


def mount(app: flask.Flask, settings: CoreSettings) -> flask.Flask:
    """Serve an application below the prefix, if there is one, when all its routes are registered.

    Raises:
        InvalidSettings: when a route begins as the prefix does: a path that comes without the prefix
            could not be told from one that comes with it.

    """
    app.config[KEY] = settings.url_prefix
    if settings.url_prefix:
        first = settings.url_prefix.split("/")[1]
        if any(rule.rule.split("/")[1] == first for rule in app.url_map.iter_rules()):
            raise InvalidSettings({KEY: f"begins as routes of this service do: /{first}"})
        app.wsgi_app = Mounted(app.wsgi_app, settings.url_prefix)  # type: ignore[method-assign]  # Flask's documented way
    return app
