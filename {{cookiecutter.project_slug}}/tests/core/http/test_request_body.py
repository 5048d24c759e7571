"""Incomplete and malformed bodies, which a server detects only while they are read."""

from io import BufferedReader, BytesIO

import pytest
from flask import request
from flask.testing import FlaskClient

from app.core import errors
from conftest import LogLines, MakeApp
from tests import toy

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
LIMIT = 1024


class MalformedChunkError(Exception):
    """An error of a server that is not an OSError, like Gunicorn's."""


class _Breaking(BytesIO):
    """A body that raises an error after its available bytes."""

    def __init__(self, body: bytes, error: type[Exception]) -> None:
        super().__init__(body)
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() == len(self.getvalue()):
            raise self._error
        return super().read(size)


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    app = toy.init_app(make_app(max_body_bytes=LIMIT))

    @app.post("/form")
    def read_form() -> str:
        return str(len(request.form))

    @app.post("/lines")
    def read_lines() -> str:
        return "".join(line.decode() for line in request.stream)

    @app.post("/buffered")
    def read_buffered() -> bytes:
        return BufferedReader(request.environ["wsgi.input"]).read()

    return app.test_client()


@pytest.mark.attack
@pytest.mark.parametrize("error", [MalformedChunkError, ConnectionResetError, ValueError])
def test_a_body_that_breaks_is_the_mistake_of_its_sender(
    client: FlaskClient,
    error: type[Exception],
    log_lines: LogLines,
    subtests: pytest.Subtests,
) -> None:
    for path, content_type, sizes in (
        (toy.URL, JSON, (0, 2, LIMIT)),
        ("/form", FORM, (0, 2)),
        ("/lines", FORM, (0, 2)),
    ):
        for size in sizes:
            with subtests.test(f"{path}: after {size} bytes"):
                response = client.post(
                    path,
                    input_stream=_Breaking(b"x" * size, error),
                    content_type=content_type,
                    headers={"Transfer-Encoding": "chunked"},
                    environ_overrides={"wsgi.input_terminated": True},  # as Gunicorn does
                )
                assert (response.status_code, response.mimetype) == (
                    400,
                    errors.MEDIA_TYPE,
                )
    assert not [line for line in log_lines if line["level"] == "ERROR"]


def test_a_whole_body_is_read_as_it_is(client: FlaskClient) -> None:
    body = b"a=1&\nb=2"

    assert client.post("/form", data=body, content_type=FORM).text == "2"
    for path in ("/lines", "/buffered"):
        assert client.post(path, data=body, content_type=FORM).data == body
