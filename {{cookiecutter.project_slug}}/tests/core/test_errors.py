from io import BytesIO
from typing import Any

import pytest
from flask import Flask, abort, redirect
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from app.core.errors import Conflict, Problem
from conftest import LogLines, MakeApp
from tests import toy

SECRET_INPUT = "canary-7f3a"


class NotModified(HTTPException):
    code = 304


RAISED = {
    "bug": RuntimeError(SECRET_INPUT),
    "conflict": Conflict(headers={"Retry-After": "1"}, members={"hint": "later"}),
    "unchanged": NotModified(),
}


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = toy.init_app(make_app())

    @app.get("/raised/<name>")
    def raised(name: str) -> str:
        raise RAISED[name]

    @app.get("/bug-afterwards")
    def bug_afterwards() -> str:
        return "fine so far"

    @app.after_request
    def fail(response: Response) -> Response:
        if response.get_data() == b"fine so far":
            raise RuntimeError(SECRET_INPUT)
        return response

    @app.get("/described")
    def described() -> str:
        abort(403, description=SECRET_INPUT)

    @app.get("/unusual")
    def unusual() -> str:
        abort(418)

    @app.get("/moved")
    def moved() -> Response:
        return redirect("/elsewhere")

    @app.get("/folder/")
    def folder() -> str:
        return "in the folder"

    return app


ERRORS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", f"/{SECRET_INPUT}", {}, 404, "not_found"),
    ("DELETE", toy.URL, {}, 405, "method_not_allowed"),
    ("POST", toy.URL, {"data": SECRET_INPUT}, 415, "unsupported_media_type"),
    ("POST", toy.URL, {"data": "x" * 2_000_000}, 413, "request_entity_too_large"),
    ("POST", toy.URL, {"json": {SECRET_INPUT: 1}}, 422, "validation_failed"),
    ("POST", toy.URL, {}, 422, "validation_failed"),
    ("GET", "/raised/bug", {}, 500, "internal_server_error"),
    ("GET", "/bug-afterwards", {}, 500, "internal_server_error"),
    ("GET", "/raised/conflict", {}, 409, "conflict"),
    ("GET", "/described", {}, 403, "forbidden"),
    ("GET", "/unusual", {}, 418, "i_m_a_teapot"),
]


@pytest.mark.parametrize("testing", [False, True], ids=["TESTING off", "TESTING on"])
def test_every_error_is_one_problem_document(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, *, testing: bool
) -> None:
    monkeypatch.setitem(app.config, "TESTING", testing)
    monkeypatch.setitem(app.config, "DEBUG", testing)
    for method, path, options, status, code in ERRORS:
        response = client.open(path, method=method, **options)

        problem = response.json or {}
        assert (response.status_code, problem.get("code")) == (status, code), path
        assert response.mimetype == "application/problem+json", path
        assert problem["status"] == status, path
        assert problem["request_id"] == response.headers["X-Request-ID"], path
        assert SECRET_INPUT not in response.text, path
        assert "Traceback" not in response.text, path


def test_headers_that_belong_to_a_status_are_kept(client: FlaskClient) -> None:
    allowed = set(client.delete(toy.URL).headers["Allow"].split(", "))
    assert {"OPTIONS", "POST"} <= allowed
    assert "DELETE" not in allowed
    conflict = client.get("/raised/conflict")
    assert conflict.headers["Retry-After"] == "1"
    assert conflict.json is not None
    assert conflict.json["hint"] == "later"


def test_redirects_are_not_errors(client: FlaskClient) -> None:
    assert client.get("/moved").location == "/elsewhere"
    assert client.get("/folder").status_code == 308


def test_a_raised_response_below_400_passes(client: FlaskClient) -> None:
    assert client.get("/raised/unchanged").status_code == 304


def test_a_bug_is_logged_with_the_request_id_of_the_response(
    client: FlaskClient, log_lines: LogLines
) -> None:
    response = client.get("/raised/bug")

    (line,) = [line for line in log_lines if line["level"] == "ERROR"]
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert "RuntimeError" in line["exception.stacktrace"]


def test_a_body_that_is_not_json_is_a_400(client: FlaskClient) -> None:
    for body in ("{", "[NaN]", '{"a": Infinity}', "[" * 5000, b"\xff\xfe"):
        response = client.post(toy.URL, data=body, content_type="application/json")

        assert response.status_code == 400, body
        assert response.json is not None
        assert response.json["errors"] == [
            {"in": "body", "pointer": "#", "detail": "The body is not valid JSON."}
        ], body


def test_a_chunked_body_that_is_too_large_is_refused_and_not_cut_off(make_app: MakeApp) -> None:
    client = toy.init_app(make_app(max_body_bytes=1024)).test_client()
    for size, status in ((1024, 422), (1025, 413), (5000, 413)):
        response = client.post(
            toy.URL,
            input_stream=BytesIO(b"{}" + b" " * (size - 2)),
            content_type="application/json",
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},  # as Gunicorn does
        )
        assert response.status_code == status, size


def test_an_unknown_field_is_answered_with_the_known_ones(client: FlaskClient) -> None:
    response = client.post(toy.URL, json={**toy.NOTE, "copeis": 2})

    assert response.json is not None
    (error,) = [error for error in response.json["errors"] if error["pointer"] == "#"]
    assert error["detail"] == "Unknown field; known: copies, text."
    assert "copeis" not in str(response.json)


def test_a_body_that_is_not_an_object_is_refused(client: FlaskClient) -> None:
    response = client.post(toy.URL, json=[1])

    assert response.status_code == 422
    assert response.json is not None
    assert response.json["errors"] == [
        {"in": "body", "pointer": "#", "detail": "Invalid input type."}
    ]


def test_a_problem_has_a_string_for_log_lines() -> None:
    assert str(Problem()) == "The request could not be understood."
