"""Turn all errors from reading a request's body into `OSError`.

Gunicorn parses chunks when the application reads them, and raises its own errors for malformed
ones. Some are not `OSError`, and werkzeug would turn them into a 500. WSGI (PEP 3333) does not
specify the errors of `wsgi.input`, so all of them become `OSError`, which werkzeug answers with a
400.
"""

import io
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class UnreadableBodyError(OSError):
    """The server cannot read the rest of a body: it is malformed or incomplete."""


class RequestBody(io.RawIOBase):
    """Wraps `wsgi.input`, so that reading raises only `OSError`."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        """Return True: a body can only be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read into a buffer, and return the number of bytes; 0 at the end of the body.

        Raises:
            UnreadableBodyError: when the server raises any exception.

        """
        view = memoryview(buffer)
        try:
            data = self._stream.read(len(view))
        except Exception as error:
            message = "the body of the request cannot be read"
            raise UnreadableBodyError(message) from error
        view[: len(data)] = data
        return len(data)


def init_app(app: Flask) -> None:
    """Wrap the body of every request."""
    serve = app.wsgi_app

    def serve_with_body(
        environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        environ["wsgi.input"] = RequestBody(environ["wsgi.input"])
        return serve(environ, start_response)

    app.wsgi_app = serve_with_body  # type: ignore[method-assign]  # Flask's documented way
