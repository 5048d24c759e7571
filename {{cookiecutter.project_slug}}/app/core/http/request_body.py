"""The body of a request, whose server may find out only while it is read that it is malformed.

Gunicorn parses chunks when the application reads them, and raises errors of its own: some are no
`OSError`, and werkzeug would let those become a 500. WSGI (PEP 3333) names no errors of
`wsgi.input`, so all of them are turned into `OSError`, which werkzeug answers with a 400.
"""

import io
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class UnreadableBodyError(OSError):
    """The server cannot read the rest of a body: it is malformed or does not come."""


class RequestBody(io.RawIOBase):
    """A body that fails only with `OSError`."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Take `wsgi.input`."""
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        """Return True: nothing else can be done with it."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill a buffer as far as the body goes; 0 at its end.

        Raises:
            UnreadableBodyError: when the server raises anything.

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
    """Let every view read bodies that fail only with `OSError`."""
    serve = app.wsgi_app

    def serve_with_body(
        environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        environ["wsgi.input"] = RequestBody(environ["wsgi.input"])
        return serve(environ, start_response)

    app.wsgi_app = serve_with_body  # type: ignore[method-assign]  # Flask's documented way
