import re
from uuid import UUID

import jsonschema_rs
import pytest
from flask import Flask
from flask.json import dumps, loads
from flask.testing import FlaskClient

from app.core import api, errors
from app.core.api import documentation, openapi
from conftest import MakeApp
from tests import routes, toy


def test_the_document_is_openapi_3_1(client: FlaskClient) -> None:
    document = client.get("/api/openapi.json").json

    assert document is not None
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == documentation.TITLE
    assert document["info"]["description"] == documentation.DESCRIPTION
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
    served = {f"{method} {routes.documented_path(rule)}" for method, rule in routes.api_routes(app)}
    assert documented == served


def test_problems_are_documented_as_problem_documents(client: FlaskClient) -> None:
    document = client.get("/api/openapi.json").json
    assert document is not None

    for response in document["components"]["responses"].values():
        assert list(response["content"]) == [errors.MEDIA_TYPE]


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


def test_one_switch_closes_the_page_and_its_document(make_app: MakeApp) -> None:
    client = make_app(api_docs_enabled=False).test_client()

    for path in ("/api/docs", "/api/docs/swagger-ui.css", "/api/openapi.json"):
        assert client.get(path).status_code == 404


def test_the_document_has_the_url_prefix(make_app: MakeApp, app: Flask) -> None:
    assert api.document(make_app(url_prefix="/shop"))["servers"] == [{"url": "/shop"}]
    assert api.document(app)["servers"] == [{"url": "/"}]


def test_the_document_has_a_license_and_a_contact(app: Flask) -> None:
    info = api.document(app)["info"]

    assert info["license"]["name"]
    assert info["contact"]["name"]


def test_every_operation_is_named_by_a_verb_and_a_noun(app: Flask) -> None:
    names = [each["operationId"] for each in openapi.operations(api.document(app))]

    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch("[a-z]+([A-Z][a-z0-9]+)+", name), name


def test_an_operation_without_a_token_is_documented_as_open(make_app: MakeApp) -> None:
    document = api.document(toy.init_app(make_app()))

    assert document["paths"][toy.URL]["post"]["security"] == []
    assert all("security" in each for each in openapi.operations(document))


def test_every_response_is_documented_with_its_headers(app: Flask) -> None:
    document = api.document(app)
    known = document["components"]["responses"]
    responses = [
        (status, known[response["$ref"].rpartition("/")[2]] if "$ref" in response else response)
        for each in openapi.operations(document)
        for status, response in each["responses"].items()
    ]

    for status, response in responses:
        wanted = openapi.EVERYWHERE | openapi.BY_STATUS.get(status, set())
        assert wanted <= response["headers"].keys()
    assert document["components"]["headers"].keys() == openapi.HEADERS.keys()


def test_every_code_of_a_problem_is_listed_and_shown(make_app: MakeApp) -> None:
    components = api.document(toy.init_app(make_app()))["components"]
    documented = {
        code
        for response in components["responses"].values()
        for code in response["content"][errors.MEDIA_TYPE]["examples"]
    }
    schema = {**components["schemas"]["Problem"], "components": components}
    validator = jsonschema_rs.Draft202012Validator(schema)

    listed = components["schemas"]["ProblemCode"]["enum"]
    assert {"validation_failed", "unreadable_url"} <= documented <= set(listed)
    for response in components["responses"].values():
        for example in response["content"][errors.MEDIA_TYPE]["examples"].values():
            validator.validate(example["value"])


def test_no_page_fills_in_a_header(app: Flask) -> None:
    # Swagger UI sends examples and defaults: every request would have the same Idempotency-Key.
    for operation in openapi.operations(api.document(app)):
        for each in operation.get("parameters", []):
            if each["in"] == "header":
                known = {*each, *each["schema"]}
                assert known.isdisjoint({"example", "examples", "default"}), each["name"]


def test_no_page_makes_up_a_text_of_a_body(app: Flask) -> None:
    # Swagger UI fills a text without an example with random characters. As the current password,
    # they count as a failed attempt.
    document = api.document(app)
    for operation in openapi.operations(document):
        if "requestBody" not in operation:
            continue
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        if "$ref" not in body:
            continue  # an event: it needs a signature, so no page can send one
        schema = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]
        for name, each in schema["properties"].items():
            assert each.get("type") != "string" or {"example", "enum"} & each.keys(), name


def test_no_schema_is_called_like_one_of_its_properties(app: Flask) -> None:
    # Generators make a class of each. Two classes with one name break typed clients.
    for name, schema in api.document(app)["components"]["schemas"].items():
        assert name.lower() not in schema.get("properties", {})


def test_an_integer_of_64_bits_has_its_format_in_the_document(make_app: MakeApp) -> None:
    # Otherwise clients in Java, Go and C# use 32 bits and fail on a larger number.
    schemas = api.document(toy.init_app(make_app()))["components"]["schemas"]

    assert schemas["Note"]["properties"]["size"]["format"] == "int64"
    assert "format" not in schemas["Note"]["properties"]["copies"]


def test_every_pattern_compiles_without_lookaround(app: Flask) -> None:
    schemas = api.document(app)["components"]["schemas"]
    # This engine has the syntax of RE2, as Go, Rust and many gateways do.
    engine = jsonschema_rs.RegexOptions()

    jsonschema_rs.Draft202012Validator(
        {"anyOf": list(schemas.values()), "components": {"schemas": schemas}},
        pattern_options=engine,
    )
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.Draft202012Validator({"pattern": "a(?!b)"}, pattern_options=engine)


def test_an_operator_can_print_the_document(app: Flask, client: FlaskClient) -> None:
    printed = app.test_cli_runner().invoke(args=["api-document"]).output

    assert loads(printed) == client.get("/api/openapi.json").json


def test_json_of_any_extension_is_strict_and_knows_uuids(app: Flask) -> None:
    with app.app_context():
        assert loads(dumps({"id": UUID(int=1)})) == {"id": str(UUID(int=1))}
