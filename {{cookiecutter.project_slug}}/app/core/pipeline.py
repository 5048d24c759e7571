"""The request pipeline: calls features when a request is routed and when its response ends.

It is WSGI middleware, so it also sees requests that Flask never routes. A response counts as
finished when its body has been sent and closed. The pipeline knows no feature by name.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from flask import Flask, request

from app.core import telemetry
from app.core.extension import Extension

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KEY = "app.request_info"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Letters, digits and a few separators: safe in a log line, a header and a shell.
WELL_FORMED_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,127}", re.ASCII)


@dataclass(slots=True)
class RequestInfo:
    """A request and its response, as features see them."""

    environ: "WSGIEnvironment"
    request_id: str
    method: str
    """One of METHODS; `_OTHER` for any other method, because clients can invent them."""
    started_ns: int = field(default_factory=time.time_ns)
    started_clock: int = field(default_factory=time.perf_counter_ns)
    route: str | None = None
    """The route's template (`/api/v1/notes/<uuid:note_id>`), never the raw path."""
    quiet: bool = False
    """Whether no feature is called for this request, such as a health probe."""
    status: int = 500
    sent_bytes: int = 0
    seconds: float = 0.0
    error: BaseException | None = None
    """The unhandled exception behind a 500."""
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    """Headers that features add to the response."""
    log_fields: dict[str, str] = field(default_factory=dict)
    """The fields of every log line of this request."""
    begun: bool = False


_current: ContextVar[RequestInfo | None] = ContextVar("request_info", default=None)


def current_or_none() -> RequestInfo | None:
    """Return the request that this thread is serving; None outside a request."""
    return _current.get()


# {% if cookiecutter.background_tasks %}
def replace(info: RequestInfo | None) -> RequestInfo | None:
    """Set the request that this thread is serving, and return the previous one."""
    before = _current.get()
    _current.set(info)
    return before


# {% endif %}
@dataclass(slots=True)
class Pipeline:
    """The WSGI middleware around one Flask application."""

    wsgi_app: "WSGIApplication"
    on_start: list[Callable[[RequestInfo], None]] = field(default_factory=list)
    """Called once for each request, when its route is known."""
    on_finish: list[Callable[[RequestInfo], None]] = field(default_factory=list)
    """Called once for each request, at its end: `status`, `sent_bytes` and `seconds` are set."""
    quiet_blueprints: set[str] = field(default_factory=set)
    static_headers: list[tuple[str, str]] = field(default_factory=list)
    """Headers for every response that does not set its own."""

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Serve one request."""
        method = environ["REQUEST_METHOD"]
        known = method if method in METHODS else "_OTHER"
        info = RequestInfo(environ, _request_id(environ), known)
        info.log_fields[telemetry.REQUEST_ID] = info.request_id
        info.response_headers.append(("X-Request-ID", info.request_id))
        environ[KEY] = info
        _current.set(info)
        try:
            body = self.wsgi_app(environ, self._starter(info, start_response))
        except BaseException as error:
            # Only what no error handler catches gets here: a worker's timeout, an interrupt.
            info.error = error
            self._finish(info)
            raise
        return _Body(body, info, self._finish)

    def begin(self) -> None:
        """Record the route, now that Flask has matched it (a before_request function)."""
        info = current()
        info.route = request.url_rule.rule if request.url_rule else None
        info.quiet = request.blueprint in self.quiet_blueprints
        self._start(info)

    def _start(self, info: RequestInfo) -> None:
        info.begun = True
        if not info.quiet:
            for call in self.on_start:
                call(info)

    def _starter(self, info: RequestInfo, start_response: "StartResponse") -> "StartResponse":
        def start(
            status: str,
            headers: list[tuple[str, str]],
            exc_info: "OptExcInfo | None" = None,
            /,
        ) -> Callable[[bytes], object]:
            info.status = int(status[:3])
            present = {name.lower() for name, _ in headers}
            headers += [pair for pair in self.static_headers if pair[0].lower() not in present]
            headers += info.response_headers
            return start_response(status, headers, exc_info)

        return start

    def _finish(self, info: RequestInfo) -> None:
        info.seconds = (time.perf_counter_ns() - info.started_clock) / 1e9
        try:
            if not info.begun:
                self._start(info)
            if not info.quiet:
                for call in self.on_finish:
                    call(info)
        finally:
            _current.set(None)


class _Body:
    """The response's body; counts the bytes sent, and calls `finish` when it is closed."""

    def __init__(
        self, body: Iterable[bytes], info: RequestInfo, finish: Callable[[RequestInfo], None]
    ) -> None:
        self._body = body
        self._info = info
        self._finish = finish
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            self._info.sent_bytes += len(chunk)
            yield chunk

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if close := getattr(self._body, "close", None):
                close()
        finally:
            self._finish(self._info)


def _request_id(environ: "WSGIEnvironment") -> str:
    """Return the client's id if it is well formed, so that one id follows a call across services.

    Otherwise return a new one.
    """
    offered: str = environ.get("HTTP_X_REQUEST_ID", "")
    return offered if WELL_FORMED_ID.fullmatch(offered) else secrets.token_hex(16)


request_pipeline = Extension[Pipeline]("request_pipeline")


def current() -> RequestInfo:
    """Return the request that Flask is handling."""
    return cast("RequestInfo", request.environ[KEY])


def init_app(app: Flask) -> None:
    """Wrap the application in the pipeline. Call this before any other feature is set up."""
    pipeline = request_pipeline.set(app, Pipeline(app.wsgi_app))
    app.wsgi_app = pipeline  # type: ignore[method-assign]  # Flask's documented way to wrap it
    app.before_request(pipeline.begin)
