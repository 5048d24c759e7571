"""Hostile requests: each gets a 4xx and has no other effect."""

import logging
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from marshmallow import fields

from app.core import errors
from app.core.api import Blueprint
from app.core.api.parsing import MAXIMUM_DEPTH
from app.core.observability.logs import MAX_AGENT_LENGTH, ConsoleFormatter
from app.core.schemas import Schema
from conftest import LogLines, MakeApp
from tests import toy

NOTE_OF = '{"text": "Buy tea", "copies": %s}'
JSON = "application/json"
FILE = (
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\n'
    + b"x" * 100_000
    + b"\r\n--b--\r\n"
)
LONG_FIELD = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"x" * 70_000 + b"\r\n--b--\r\n"
)
FIELD = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    """Return an application with the toy domain."""
    return toy.init_app(make_app())


@pytest.fixture(scope="module")
def form(make_app: MakeApp) -> FlaskClient:
    """Return a client of an application with routes that read forms, one of which accepts files."""
    app = make_app()

    @app.post("/form")
    def read_form() -> str:
        return str(len(request.form))

    @app.post("/file")
    def read_file() -> str:
        request.takes_files = True  # type: ignore[attr-defined]  # of app.core.http.security.Request
        return str(len(request.files["f"].read()))

    return app.test_client()


@pytest.mark.attack
def test_a_hostile_body_is_the_mistake_of_its_sender(
    client: FlaskClient, subtests: pytest.Subtests
) -> None:
    for name, body, status in (
        ("deep", "[" * (MAXIMUM_DEPTH + 1) + "]" * (MAXIMUM_DEPTH + 1), 400),
        ("deep objects", '{"a":' * 500 + "1" + "}" * 500, 400),
        ("deep in a field", '{"text":' * 40 + "1" + "}" * 40, 400),
        ("too deep for the parser", "[" * 5_000, 400),
        ("wide and flat", "[" + "[]," * 1_000 + "[]]", 422),
        ("brackets in text", '{"text": "%s"}' % ("[{" * 100), 422),
        ("NaN", '{"text": NaN}', 400),
        ("minus infinity", "[-Infinity]", 400),
        ("a byte order mark", b'\xef\xbb\xbf{"text": "Buy tea"}', 400),
        ("UTF-16", '{"text": "Buy tea"}'.encode("utf-16"), 400),
        ("overlong UTF-8", b'{"text": "\xc0\x80"}', 400),
        ("a lone surrogate", '{"text": "\\ud800"}', 400),
        ("a surrogate in UTF-8", b'{"text": "\xed\xa0\x80"}', 400),
        ("a null character", '{"text": "\\u0000"}', 422),
        ("a bare null byte", b'{"text": "\0"}', 400),
        ("a comment", '{} // "text"', 400),
        ("single quotes", "{'text': 'Buy tea'}", 400),
        ("two values", "{}{}", 400),
        ("a number too large", NOTE_OF % "1e400", 400),
        ("an integer of 65 bits", NOTE_OF % 2**64, 422),
        ("an integer of 5000 digits", NOTE_OF % ("9" * 5_000), 400),
        ("a negative one", NOTE_OF % -(2**63), 422),
        ("a fraction for an integer", NOTE_OF % "2.5", 422),
        ("true for an integer", NOTE_OF % "true", 422),
        ("text for an integer", NOTE_OF % '"2"', 422),
        ("many members", str({f"a{n}": n for n in range(1_000)}).replace("'", '"'), 422),
        ("a prototype", '{"__proto__": {"text": "Buy tea"}}', 422),
    ):
        with subtests.test(name):
            response = client.post(toy.URL, data=body, content_type=JSON)
            assert (response.status_code, response.mimetype) == (status, errors.MEDIA_TYPE)


def test_a_body_of_the_maximum_depth_is_read_and_a_deeper_one_is_refused(
    client: FlaskClient,
) -> None:
    for depth, status in ((MAXIMUM_DEPTH, 422), (MAXIMUM_DEPTH + 1, 400)):
        response = client.post(toy.URL, data="[" * depth + "]" * depth, content_type=JSON)
        assert response.status_code == status
    assert response.json is not None
    assert response.json["errors"][0]["detail"] == "The body is nested deeper than 32 levels."


@pytest.mark.attack
def test_members_with_one_name_are_refused_wherever_they_are(
    client: FlaskClient, subtests: pytest.Subtests
) -> None:
    good = NOTE_OF % 2
    for name, body in {
        "at the top": good.replace("{", '{"text": "Buy tea", ', 1),
        "below": NOTE_OF % '[{"a": 7, "a": 2}]',
        "unknown": good.replace("{", '{"x": {"a": 1, "a": 1}, ', 1),
        "escaped": NOTE_OF % r'7, "\u0063opies": 2',
    }.items():
        with subtests.test(name):
            response = client.post(toy.URL, data=body, content_type=JSON)
            assert response.status_code == 400
            assert response.json is not None
            assert "two members with the same name" in response.json["errors"][0]["detail"]
    assert client.post(toy.URL, data=good, content_type=JSON).status_code == 200


class _Found(Schema):
    page = fields.Integer()
    cursor = fields.String()
    state = fields.List(fields.String())


class _Query(_Found):
    cursor = fields.String(data_key="from")


@pytest.mark.attack
def test_a_query_parameter_that_is_sent_twice_is_named(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    app, searches = make_app(), Blueprint("searches", __name__)

    @searches.route("/searches")
    @searches.arguments(_Query, location="query")
    @searches.response(200, _Found)
    def search(query: dict[str, object]) -> dict[str, object]:
        return query

    app.register_blueprint(searches)
    client = app.test_client()
    for query, pointers in {
        "page=1&page=2": ["#/page"],
        "page=1&page=1": ["#/page"],
        "from=a&page=1&page=2&from=b": ["#/from", "#/page"],
        "pag%65=1&page=2": ["#/page"],
        "cursor=a&cursor=b": ["#"],  # unknown: the name comes from the client
    }.items():
        with subtests.test(query):
            response = client.get(f"/searches?{query}")
            assert response.status_code == 422
            assert response.json is not None
            assert [error["pointer"] for error in response.json["errors"]] == pointers
    assert client.get("/searches?page=1&state=a&state=b&from=c").json == {
        "page": 1,
        "state": ["a", "b"],
        "cursor": "c",
    }


def test_json_has_one_of_its_media_types(client: FlaskClient) -> None:
    for content_type in (JSON, f"{JSON};charset=UTF-8", 'Application/JSON; charset="utf-8"'):
        assert client.post(toy.URL, json=toy.NOTE, content_type=content_type).status_code == 200


@pytest.mark.attack
def test_a_body_of_another_kind_is_a_415(client: FlaskClient, subtests: pytest.Subtests) -> None:
    for content_type in (
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "application/xml",
        "application/jsonx",
        "application/merge-patch+json",
        "application/json, text/plain",
        f"{JSON}; charset=utf-16",
        f"{JSON}; charset=utf-7",
        f"text/plain; {JSON}",
    ):
        with subtests.test(content_type or "none"):
            response = client.post(toy.URL, json=toy.NOTE, headers={"Content-Type": content_type})
            assert response.status_code == 415
    with subtests.test("compressed"):
        response = client.post(toy.URL, json=toy.NOTE, headers={"Content-Encoding": "gzip"})
        assert response.status_code == 415


@pytest.mark.attack
def test_a_form_is_small_and_without_files(
    form: FlaskClient, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    def nowhere(*_args: object, **_options: object) -> None:
        pytest.fail("a file was kept")

    monkeypatch.setattr("werkzeug.formparser.default_stream_factory", nowhere)
    multipart = "multipart/form-data; boundary=b"
    requests: dict[str, tuple[dict[str, Any], int]] = {
        "a file": ({"data": FILE, "content_type": multipart}, 415),
        "a file of no name": (
            {"data": FILE.replace(b"f.txt", b""), "content_type": multipart},
            415,
        ),
        "a long field": ({"data": LONG_FIELD, "content_type": multipart}, 413),
        "many fields": ({"data": FIELD * 200 + b"--b--\r\n", "content_type": multipart}, 413),
        "no boundary": ({"data": FILE, "content_type": "multipart/form-data"}, 200),
    }
    for name, (options, status) in requests.items():
        with subtests.test(name):
            assert form.post("/form", **options).status_code == status
    monkeypatch.undo()
    assert form.post("/file", data=FILE, content_type=multipart).text == "100000"


@pytest.mark.attack
def test_a_number_in_a_url_is_never_too_large(
    client: FlaskClient, subtests: pytest.Subtests
) -> None:
    for path, status in (
        # {% if cookiecutter.database != "none" %}
        (f"{toy.URL}/pages?limit=1", 200),
        (f"{toy.URL}/pages?limit={2**64}", 422),
        (f"{toy.URL}/pages?limit={'9' * 3_000}", 422),
        (f"{toy.URL}/pages?limit=1e400", 422),
        (f"{toy.URL}/pages?limit=-1", 422),
        (f"{toy.URL}/pages?limit=1&limit=2", 422),
        (f"{toy.URL}/pages?limit=%00", 400),
        (f"{toy.URL}/pages?limit=%ff", 400),
        (f"{toy.URL}/pages?limit[]=1", 422),
        (f"{toy.URL}/pages?cursor=%00%ff", 400),
        (f"{toy.URL}/%00", 400),
        (f"{toy.URL}/5f0c9a52-6a0e-4f57-9d3f-0c9f2b6f2a7e%00", 400),
        # {% endif %}
        (f"{toy.URL}/{2**64}", 404),
        ("/%ff%fe", 404),
        (f"/{'a' * 3_000}", 404),
    ):
        with subtests.test(path[:60]):
            assert client.get(path).status_code == status


@pytest.mark.attack
def test_no_path_leads_out_of_the_documentation_or_to_another_host(
    client: FlaskClient, subtests: pytest.Subtests
) -> None:
    for path in (
        "/api/docs/../settings.py",
        "/api/docs/..%2f..%2fsettings.py",
        "/api/docs/%2e%2e/%2e%2e/settings.py",
        "/api/docs/%252e%252e%252fsettings.py",
        "/api/docs/..%5c..%5csettings.py",
        "/api/docs/%2fetc%2fpasswd",
        "/api/docs//etc/passwd",
        "/api/docs/start.js%00.css",
        "/api/docs/start.js/",
        "/api/docs/index.html",
        "/api/docs/",
        "//evil.example/api/docs",
        "/api//docs",
        "/.env",
        "/.git/config",
        "/static/app.js",
    ):
        with subtests.test(path):
            response = client.get(
                base_url="http://evil.example", environ_overrides={"PATH_INFO": unquote(path)}
            )
            assert response.status_code == (400 if "%00" in path else 404)
            assert "Location" not in response.headers


@pytest.mark.attack
def test_only_the_real_method_of_a_request_counts(
    client: FlaskClient, subtests: pytest.Subtests
) -> None:
    for method in ("TRACE", "CONNECT", "PUT", "DELETE", "PROPFIND", "BREW", "A" * 500):
        with subtests.test(method[:20]):
            response = client.open("/api/docs", method=method)
            assert (response.status_code, response.mimetype) == (405, errors.MEDIA_TYPE)
            assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        with subtests.test(header):
            assert client.post("/api/docs", headers={header: "GET"}).status_code == 405
    with subtests.test("_method"):
        assert client.delete(f"{toy.URL}?_method=POST").status_code == 405


def test_head_is_get_without_its_body_and_options_lists_methods(client: FlaskClient) -> None:
    got, head = client.get("/api/openapi.json"), client.head("/api/openapi.json")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.data))

    options = client.options(toy.URL)
    assert (options.status_code, options.data) == (200, b"")
    allowed = {"OPTIONS", "POST"}
    # {% if cookiecutter.auth != "none" %}
    allowed |= {"GET", "HEAD", "PUT"}
    # {% endif %}
    assert set(options.headers["Allow"].split(", ")) == allowed
    assert client.options("/nowhere").status_code == 404


FORGED = {
    "X-Forwarded-For": "6.6.6.6, 7.7.7.7, 203.0.113.9",
    "X-Forwarded-Proto": "https, gopher, https",
    "X-Forwarded-Host": "evil.example, evil.example, evil.example",
    "X-Forwarded-Port": "1, 1, 1",
    "X-Forwarded-Prefix": "/evil, /evil, /evil",
    "Forwarded": "for=6.6.6.6;host=evil.example;proto=gopher",
    "X-Real-IP": "6.6.6.6",
    "X-Client-IP": "6.6.6.6",
    "X-Original-URL": "/metrics",
    "X-Rewrite-URL": "/metrics",
    "X-Host": "evil.example",
}


@pytest.mark.attack
def test_forged_hops_change_neither_addresses_nor_hosts_nor_paths(
    make_app: MakeApp, log_lines: LogLines, subtests: pytest.Subtests
) -> None:
    for proxies, address in ((0, "127.0.0.1"), (1, "203.0.113.9"), (2, "7.7.7.7")):
        app = make_app(trusted_proxy_hops=proxies, allowed_hosts=("localhost",))

        @app.get("/seen")
        def seen() -> list[str | None]:
            return [request.remote_addr, request.host, request.path, request.root_path]

        log_lines.clear()
        with subtests.test(f"past {proxies} proxies"):
            response = app.test_client().get("/seen", headers=FORGED)
            assert response.json == [address, "localhost", "/seen", ""]
            assert [line["client.address"] for line in log_lines] == [address]


# {% if cookiecutter.rate_limiting %}
@pytest.mark.attack
def test_forged_hops_get_no_other_limit(make_app: MakeApp, subtests: pytest.Subtests) -> None:
    for proxies in (0, 1, 2):
        client = make_app(trusted_proxy_hops=proxies, rate_limit="3/day").test_client()
        # The proxies append their entries.
        written = [["9.9.9.9"], ["9.9.9.9", "10.0.0.2"]][proxies - 1] if proxies else []
        for number in range(5):
            forged = {"X-Forwarded-For": ", ".join([f"6.6.6.{number}", *written])}
            with subtests.test(f"try {number} past {proxies} proxies"):
                response = client.get("/api/docs", headers=forged)
                assert response.status_code == (200 if number < 3 else 429)


# {% endif %}
@pytest.mark.attack
def test_a_host_of_another_is_refused_however_it_is_spelled(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    client = make_app(allowed_hosts=("shop.example",)).test_client()
    for host in (
        "evil.example",
        "shop.example.evil.example",
        "evil-shop.example",
        "shop.example@evil.example",
        "evil.example#shop.example",
        "evil.example/shop.example",
        "shop.example evil.example",
        "shop.example, evil.example",
        "shop.example:80@evil.example",
        "shop.example\r\nX-Evil: 1",
        "[::1]",
        "shop.example\x00",
        "",
    ):
        with subtests.test(repr(host)):
            response = client.get(
                "/api/docs", environ_overrides={"HTTP_HOST": host, "SERVER_NAME": "evil.example"}
            )
            assert response.status_code == 400
            assert "evil" not in response.text


SPLIT = "a-good-name\r\nSet-Cookie: stolen=1\r\n\r\n<script>"


@pytest.mark.attack
def test_no_client_input_splits_a_header(app: Flask, subtests: pytest.Subtests) -> None:
    for name in (
        "HTTP_X_REQUEST_ID",
        "HTTP_ORIGIN",
        "HTTP_HOST",
        "HTTP_IDEMPOTENCY_KEY",
        "HTTP_IF_NONE_MATCH",
        "HTTP_IF_MATCH",
        "HTTP_TRACEPARENT",
        "HTTP_AUTHORIZATION",
        "HTTP_ACCEPT",
        "HTTP_RANGE",
        "CONTENT_TYPE",
        "QUERY_STRING",
        "PATH_INFO",
    ):
        for path in (toy.URL, "/api/docs"):
            with subtests.test(f"{name}: {path}"):
                response = app.test_client().get(path, environ_overrides={name: SPLIT})
                assert response.status_code < 500
                assert "Set-Cookie" not in response.headers
                for value in response.headers.values():
                    assert "\r" not in value
                    assert "\n" not in value
                    assert "stolen" not in value


@pytest.mark.attack
def test_no_client_input_forges_a_log_line_or_moves_the_terminal_cursor(
    app: Flask, log_lines: LogLines, subtests: pytest.Subtests
) -> None:
    for forged in (
        "a\nERROR forged",
        "a\r\n{}",
        "\x1b[2J\x1b[1;31mred",
        "\x9b31m",
        "a\x85b",
        "a\u2028b",
        "\u202egnp.exe",
        "\x00\x07\x7f",
        "x" * 5_000,
    ):
        with subtests.test(repr(forged[:20])):
            log_lines.clear()
            agent = forged.encode().decode("latin-1")  # WSGI servers decode headers as Latin-1
            app.test_client().get(
                "/nowhere", environ_overrides={"HTTP_USER_AGENT": agent, "PATH_INFO": f"/{agent}"}
            )
            (line,) = log_lines
            assert len(line["user_agent.original"]) <= MAX_AGENT_LENGTH
            record = logging.makeLogRecord({"msg": forged, "user_agent": forged})
            assert ConsoleFormatter().format(record).isprintable()


@pytest.mark.attack
def test_no_response_names_its_software(client: FlaskClient, subtests: pytest.Subtests) -> None:
    for path in ("/health/live", "/nowhere", "/api/docs", "/api/openapi.json"):
        with subtests.test(path):
            headers = str(client.get(path).headers).lower()
            for word in ("x-powered-by", "server:", "werkzeug", "flask", "gunicorn", "python"):
                assert word not in headers
