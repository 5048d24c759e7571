import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Response

from app.core import pipeline
from app.core.pipeline import Pipeline, RequestInfo, request_pipeline
from conftest import MakeApp

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Notebook:
    """Writes down the start and the end of each request."""

    def __init__(self) -> None:
        self.routes: list[str | None] = []
        self.ended: list[RequestInfo] = []

    def start(self, info: RequestInfo) -> None:
        self.routes.append(info.route)

    def finish(self, info: RequestInfo) -> None:
        self.ended.append(info)


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = make_app()

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter([b"one", b"two"]))

    @app.get("/interrupt")
    def interrupt() -> str:
        raise KeyboardInterrupt

    return app


@pytest.fixture
def notebook(app: Flask) -> Iterator[Notebook]:
    notebook = Notebook()
    pipeline = request_pipeline.of(app)
    pipeline.on_start.append(notebook.start)
    pipeline.on_finish.append(notebook.finish)
    yield notebook
    pipeline.on_start.remove(notebook.start)
    pipeline.on_finish.remove(notebook.finish)


def test_a_well_formed_request_id_is_kept(client: FlaskClient) -> None:
    for offered in ("3f1c2d9a-77aa", "req_01HZX.4-abc", "a" * 128):
        response = client.get("/health/live", headers={"X-Request-ID": offered})
        assert response.headers["X-Request-ID"] == offered


def test_any_other_request_id_is_replaced(client: FlaskClient) -> None:
    for offered in ("", "short", "a" * 129, "spaces in it", "<script>", "é" * 9):
        response = client.get("/health/live", headers={"X-Request-ID": offered})
        assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"]), offered


def test_a_feature_sees_the_route_template_and_how_it_ended(
    client: FlaskClient, notebook: Notebook
) -> None:
    response = client.get("/api/docs")

    (info,) = notebook.ended
    assert notebook.routes == ["/api/docs"]
    assert info.route == "/api/docs"
    assert info.status == 200
    assert info.sent_bytes == len(response.data)
    assert info.seconds > 0


def test_probes_are_left_out(client: FlaskClient, notebook: Notebook) -> None:
    client.get("/health/live")

    assert notebook.ended == []


def test_a_response_is_finished_when_its_body_is_closed_and_only_once(
    app: Flask, notebook: Notebook
) -> None:
    environ = EnvironBuilder("/stream").get_environ()
    chunks, _, _ = run_wsgi_app(app.wsgi_app, environ)
    assert notebook.ended == []
    assert b"".join(chunks) == b"onetwo"
    for _ in range(2):
        chunks.close()  # type: ignore[attr-defined]  # a WSGI body that has one must be closed

    (info,) = notebook.ended
    assert info.sent_bytes == len("onetwo")
    assert pipeline.current_or_none() is None


def test_a_body_without_close_is_fine() -> None:
    notebook = Notebook()

    def serve(_environ: "WSGIEnvironment", start: "StartResponse") -> list[bytes]:
        start("200 OK", [])
        return [b"x"]

    _serve_once(serve, notebook)

    assert notebook.routes == [None]
    assert notebook.ended[0].sent_bytes == 1


def test_a_body_that_breaks_while_closing_is_still_finished() -> None:
    notebook = Notebook()

    class Broken:
        def __iter__(self) -> Iterator[bytes]:
            yield b"x"

        def close(self) -> None:
            raise ConnectionResetError

    def serve(_environ: "WSGIEnvironment", start: "StartResponse") -> Broken:
        start("200 OK", [])
        return Broken()

    with pytest.raises(ConnectionResetError):
        _serve_once(serve, notebook)

    assert len(notebook.ended) == 1


def _serve_once(serve: "WSGIApplication", notebook: Notebook) -> None:
    environ = EnvironBuilder("/").get_environ()
    pipeline = Pipeline(serve, on_start=[notebook.start], on_finish=[notebook.finish])
    run_wsgi_app(pipeline, environ, buffered=True)


def test_an_interrupt_is_recorded_and_raised_again(app: Flask, notebook: Notebook) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_wsgi_app(app.wsgi_app, EnvironBuilder("/interrupt").get_environ())

    (info,) = notebook.ended
    assert info.status == 500
    assert isinstance(info.error, KeyboardInterrupt)


# {% if cookiecutter.background_tasks %}
def test_the_current_request_can_be_replaced_and_restored() -> None:
    info = RequestInfo({}, "id-1", "GET")

    before = pipeline.replace(info)
    assert pipeline.current_or_none() is info

    assert pipeline.replace(before) is info
    assert pipeline.current_or_none() is before


# {% endif %}
def test_applications_in_one_process_share_nothing(
    make_app: MakeApp, client: FlaskClient, notebook: Notebook
) -> None:
    make_app(service_version="2").test_client().get("/api/docs")
    assert notebook.ended == []

    client.get("/api/docs")
    assert len(notebook.ended) == 1
