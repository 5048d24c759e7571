from uuid import UUID

import jsonschema_rs
import pytest
from flask import Flask
from flask.json import dumps, loads
from flask.testing import FlaskClient

from app.core import api
from conftest import MakeApp


def test_the_document_is_openapi_3_1(client: FlaskClient) -> None:
    document = client.get("/api/openapi.json").json

    assert document is not None
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == api.TITLE
    assert document["info"]["description"] == api.DESCRIPTION
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_the_document_is_sent_again_only_when_it_has_changed(client: FlaskClient) -> None:
    first = client.get("/api/openapi.json")
    again = client.get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    other = client.get("/api/openapi.json", headers={"If-None-Match": '"another"'})

    assert first.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, again.data) == (304, b"")
    assert (other.status_code, other.data) == (200, first.data)


def test_every_route_of_the_api_is_in_the_document(app: Flask, client: FlaskClient) -> None:
    document = client.get("/api/openapi.json").json
    assert document is not None

    documented = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    with app.test_request_context():
        served = {
            f"{method} {rule.rule.replace('<uuid:', '{').replace('>', '}')}"
            for rule in app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
            if rule.rule.startswith("/api/v1/")
        }
    assert documented == served


def test_problems_are_documented_as_problem_documents(client: FlaskClient) -> None:
    document = client.get("/api/openapi.json").json
    assert document is not None

    for response in document["components"]["responses"].values():
        assert list(response["content"]) == ["application/problem+json"]


def test_a_problem_is_described_before_it_is_documented() -> None:
    with pytest.raises(LookupError, match="418"):
        api.Blueprint("tea", __name__).problems(404, 418)


def test_the_documentation_page_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/api/docs")

    assert page.status_code == 200
    assert "http" not in page.text
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    for name in ("start.js", "swagger-ui.css", "swagger-ui-bundle.js"):
        assert f"docs/{name}" in page.text
        assert client.get(f"/api/docs/{name}").status_code == 200
    assert client.get("/api/docs/index.html").status_code == 404


def test_an_operator_can_switch_the_page_off(make_app: MakeApp) -> None:
    client = make_app(api_docs=False).test_client()

    assert client.get("/api/docs").status_code == 404
    assert client.get("/api/docs/swagger-ui.css").status_code == 404
    assert client.get("/api/openapi.json").status_code == 200


def test_an_operator_can_print_the_document(app: Flask, client: FlaskClient) -> None:
    printed = app.test_cli_runner().invoke(args=["api-document"]).output

    assert loads(printed) == client.get("/api/openapi.json").json


def test_json_of_any_extension_is_strict_and_knows_uuids(app: Flask) -> None:
    with app.app_context():
        assert loads(dumps({"id": UUID(int=1)})) == {"id": str(UUID(int=1))}
