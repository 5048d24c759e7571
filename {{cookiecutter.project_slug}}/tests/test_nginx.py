"""nginx in front of Gunicorn, with the shipped configuration."""

import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask

from app.core import errors, pipeline
from app.core.api import PREFIX
from app.core.pipeline import request_pipeline
from tests import toy
from tests.connections import MAX_BACKOFF, Connection, connection, longest_wait
from tests.nginx import CONFIGURATION, Upstream, nginx, upstream
from tests.servers import free_port, gunicorn
from tests.test_connections import BODY, CHUNKED, HOST, JSON, LINE, MALFORMED, MALFORMED_CHUNKS
from tests.waiting import HANG_TIMEOUT_SECONDS, wait_until

TEXT = CONFIGURATION.read_text(encoding="utf-8")
OPEN = "/api/openapi.json"
GET = f"GET {OPEN} HTTP/1.1\r\n".encode() + HOST + b"\r\n"
SECOND_LINE = "        server 127.0.0.1:8000 max_fails=0;\n"
PROBLEM = "application/problem+json"


def table(variable: str) -> dict[int, str]:
    """Return the values of a map in the configuration, by status."""
    block = TEXT.partition(f"map $status ${variable} ")[2].partition("}")[0]
    return {int(status): text for status, text in re.findall(r'(\d+) "(.*)";', block)}


def test_its_problem_documents_equal_those_of_the_service() -> None:
    titles, codes, details = (table(f"problem_{name}") for name in ("title", "code", "detail"))
    assert titles.keys() == codes.keys() == details.keys()
    (listed,) = re.findall(r"error_page ([\d ]+) /\.problem;", TEXT)
    assert {int(status) for status in listed.split()} | {431} == titles.keys()
    for status, title in titles.items():
        assert title == errors.phrase(status)
        assert codes[status] == errors.code_of(status)
    for status in (400, 404, 413, 500, 503):
        assert details[status] == errors.DETAILS[status]


@pytest.mark.process
def test_no_log_has_a_query_string_when_the_service_is_away(tmp_path: Path) -> None:
    kept = {f"/var/log/nginx/{name}.log": f"{tmp_path}/{name}.log" for name in ("access", "error")}
    with (
        nginx(free_port(), kept) as port,
        socket.create_connection(("127.0.0.1", port), timeout=HANG_TIMEOUT_SECONDS) as connection,
    ):
        connection.sendall(
            b"GET /a?token=HUSH HTTP/1.1\r\nReferer: /b?token=HUSH\r\n" + HOST + b"\r\n"
        )
        assert connection.recv(65_536).startswith(b"HTTP/1.1 502 ")
        wait_until(lambda: (tmp_path / "access.log").stat().st_size > 0)

    line = json.loads((tmp_path / "access.log").read_text())
    assert (line["url.path"], line["upstream_status"]) == ("/a", "502, 502")
    assert "HUSH" not in "".join(log.read_text() for log in tmp_path.iterdir())


def test_it_keeps_a_request_id_by_the_rule_of_the_service() -> None:
    assert f'"~^{pipeline.WELL_FORMED_ID.pattern}$" $http_x_request_id;' in TEXT


def test_the_routes_that_it_hides_are_those_of_internal_blueprints(app: Flask) -> None:
    hidden = re.compile("|".join(re.findall(r"location ~ (\S+) {\n +return 404;", TEXT)))
    internal = request_pipeline.of(app).quiet_blueprints
    for rule in app.url_map.iter_rules():
        is_internal = rule.endpoint.partition(".")[0] in internal
        assert bool(hidden.search(rule.rule)) is is_internal, rule.rule


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start Gunicorn with one worker, and nginx in front; the service must have logged no error."""
    environment = {"WEB_CONCURRENCY": "1", "ALLOWED_HOSTS": "127.0.0.1", "TRUSTED_PROXY_HOPS": "1"}
    with (
        gunicorn(tmp_path_factory.mktemp("gunicorn"), toy.FACTORY, **environment) as running,
        nginx(running.port) as port,
    ):
        yield port
        running.stop()
        assert not [line for line in running.lines() if line["level"] == "ERROR"]


@pytest.fixture
def service() -> Iterator[Upstream]:
    """Start a service that fails on demand."""
    with upstream() as running:
        yield running


@pytest.fixture
def before_it(service: Upstream) -> Iterator[int]:
    """Start nginx in front of that service."""
    with nginx(service.port) as port:
        yield port


def request_bytes(method: str, path: str = "/", *headers: str, body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: shop.example:8443", *headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def one_response(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request on a new connection; return its response."""
    with connection(port) as client:
        client.send(request)
        return client.read_response()


FORGED = [
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-For: 7.7.7.7",
    "X-Forwarded-Proto: gopher",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 1",
    "X-Forwarded-Prefix: /evil",
    "X-Real-IP: 6.6.6.6",
    "Forwarded: for=6.6.6.6",
    "X_Forwarded_For: 6.6.6.6",
    "Connection: X-Forwarded-For",
]
SET = {
    "host": "shop.example:8443",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
    "x-forwarded-host": "shop.example:8443",
}


@pytest.mark.process
@pytest.mark.attack
def test_forwarding_headers_of_a_client_are_not_passed_on(
    before_it: int, service: Upstream
) -> None:
    assert one_response(before_it, request_bytes("GET", "/", *FORGED))[0] == HTTPStatus.OK

    (request,) = service.requests
    found = {name: text for name, text in request.headers.items() if name != "x-request-id"}
    assert found == SET | {"x-forwarded-port": str(before_it)}


# {% if cookiecutter.rate_limiting %}
@pytest.mark.process
@pytest.mark.attack
def test_a_forged_address_gets_no_new_limit(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    environment = {"RATE_LIMIT": "3/day", "TRUSTED_PROXY_HOPS": "1"}
    with (
        gunicorn(tmp_path_factory.mktemp("few"), toy.FACTORY, **environment) as running,
        nginx(running.port) as port,
    ):
        for number, status in enumerate((200, 200, 200, 429)):
            forged = f"X-Forwarded-For: 6.6.6.{number}"
            assert one_response(port, request_bytes("GET", "/api/docs", forged))[0] == status


# {% endif %}
@pytest.mark.process
def test_the_headers_of_a_configured_load_balancer_are_trusted(service: Upstream) -> None:
    changes = {
        "# 10.0.0.0/8 1;  # Yours": "127.0.0.1 1;",
        "# set_real_ip_from 10.0.0.0/8;  # Yours: the same addresses": "set_real_ip_from 127.0.0.1;",
    }
    with nginx(service.port, changes) as port:
        written = ("X-Forwarded-For: 6.6.6.6, 203.0.113.9", "X-Forwarded-Proto: https")
        assert one_response(port, request_bytes("GET", "/", *written))[0] == HTTPStatus.OK

    (request,) = service.requests
    assert request.headers["x-forwarded-for"] == "203.0.113.9"
    assert request.headers["x-forwarded-proto"] == "https"


@pytest.mark.process
def test_with_a_certificate_the_service_gets_the_https_scheme_of_the_client(
    service: Upstream, tmp_path: Path
) -> None:
    program = shutil.which("openssl") or pytest.skip("openssl is not installed")
    made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost")
    files = ("-keyout", "key.pem", "-out", "certificate.pem")
    subprocess.run([program, *made, *files], cwd=tmp_path, check=True, capture_output=True)
    changes = {
        " default_server;": " ssl default_server;",
        "# ssl_certificate": "ssl_certificate",
        "/etc/nginx/tls/": f"{tmp_path}/",
    }
    context = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))

    with nginx(service.port, changes) as port:
        opened = socket.create_connection(("127.0.0.1", port), timeout=HANG_TIMEOUT_SECONDS)
        with Connection(context.wrap_socket(opened, server_hostname="localhost")) as client:
            client.send(request_bytes("GET"))
            assert client.read_response()[0] == HTTPStatus.OK
        without = one_response(port, request_bytes("GET"))

    (request,) = service.requests
    assert request.headers["x-forwarded-proto"] == "https"
    assert without[0] == HTTPStatus.BAD_REQUEST
    assert_problem_document(*without)


@pytest.mark.process
def test_a_request_has_one_id_from_the_proxy_to_the_response(proxy: int) -> None:
    for offered, kept in (
        ("a-good-name", True),
        ("short", False),
        ("-starts-badly", False),
        ("x" * 129, False),
        ('a-good-name"\\', False),
    ):
        status, headers, _body = one_response(
            proxy, GET.replace(b"\r\n\r\n", f"\r\nX-Request-ID: {offered}\r\n\r\n".encode())
        )
        assert status == HTTPStatus.OK
        assert (headers["x-request-id"] == offered) is kept
        assert pipeline.WELL_FORMED_ID.fullmatch(headers["x-request-id"])


@pytest.mark.process
@pytest.mark.attack
def test_internal_routes_are_not_found_through_the_proxy(
    before_it: int, service: Upstream, subtests: pytest.Subtests
) -> None:
    for path in (
        # {% if cookiecutter.metrics %}
        "/metrics",
        # {% endif %}
        "/health",
        "/health/",
        "/health/live",
        "/health/ready?a=1",
        "/health/startup",
        "/shop/health/live",
        "/%68ealth/live",
        "//health/live",
        "/api/../health/live",
    ):
        with subtests.test(path):
            status, headers, body = one_response(before_it, request_bytes("GET", path))
            assert (status, headers["content-type"]) == (404, PROBLEM)
            assert json.loads(body)["code"] == "not_found"
    assert service.requests == []


def test_its_log_has_the_requested_path_and_never_the_query(
    service: Upstream, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    with nginx(service.port, {"/var/log/nginx/access.log": str(log)}) as port:
        for path in ("/health/live?token=hidden", f"{PREFIX}/notes?token=hidden"):
            one_response(port, request_bytes("GET", path))
        one_response(port, request_bytes("GET", "/caf_?token=hidden").replace(b"_", b"\xe9"))
        wait_until(lambda: len(log.read_bytes().splitlines()) == 3)

    text = log.read_text(encoding="utf-8")
    assert [json.loads(line)["url.path"] for line in text.splitlines()] == [
        "/health/live",
        f"{PREFIX}/notes",
        "/caf",
    ]
    assert "hidden" not in text


def assert_problem_document(status: int, headers: dict[str, str], body: bytes) -> None:
    """Assert that a response of nginx is a problem document."""
    problem = json.loads(body)
    assert headers["content-type"] == PROBLEM
    assert problem == {
        "type": "about:blank",
        "title": errors.phrase(status),
        "status": status,
        "code": errors.code_of(status),
        "detail": problem["detail"],
        "request_id": headers["x-request-id"],
    }
    assert headers["cache-control"] == "no-store"
    assert headers["server"] == "nginx"


@pytest.mark.process
@pytest.mark.attack
def test_a_request_that_is_too_large_is_refused_before_it_reaches_the_service(
    before_it: int, service: Upstream, subtests: pytest.Subtests
) -> None:
    large = {
        "a body": (request_bytes("POST", "/", "Content-Length: 1048577"), 413),
        "a chunked body": (
            request_bytes("POST", "/", "Transfer-Encoding: chunked")
            + b"100001\r\n"
            + b"x" * 0x100001
            + b"\r\n0\r\n\r\n",
            413,
        ),
        "a line": (request_bytes("GET", "/" + "a" * 8_200), 414),
        "a header": (request_bytes("GET", "/", "X: " + "a" * 8_200), 431),
        "headers": (request_bytes("GET", "/", *["X: " + "a" * 4_000] * 20), 431),
    }
    for name, (request, status) in large.items():
        with subtests.test(name):
            answered = one_response(before_it, request)
            assert answered[0] == status
            assert_problem_document(*answered)
    assert service.requests == []

    with subtests.test("as large as is taken"):
        assert (
            one_response(before_it, request_bytes("POST", body=b"x" * 1_048_576))[0]
            == HTTPStatus.OK
        )


@pytest.mark.process
def test_the_longest_headers_that_pass_are_taken_by_gunicorn(
    proxy: int, subtests: pytest.Subtests
) -> None:
    line = f"GET {OPEN}?a= HTTP/1.1\r\n".encode()
    longest = {
        "a line": GET.replace(b" HTTP", b"?a=" + b"x" * (8_192 - len(line)) + b" HTTP"),
        "a header": GET.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 8_187 + b"\r\n\r\n"),
        "a header without a blank": GET.replace(b"\r\n\r\n", b"\nX:" + b"x" * 8_189 + b"\n\n"),
        "many headers": GET.replace(b"\r\n\r\n", b"\r\nX: a" * 900 + b"\r\n\r\n"),
    }
    for name, request in longest.items():
        with subtests.test(name):
            status, headers, _body = one_response(proxy, request)
            assert status in {200, 422}, headers
    with subtests.test("one more"):
        longer = longest["a header"].replace(b"X: ", b"X: x")
        assert one_response(proxy, longer)[0] == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


@pytest.mark.process
@pytest.mark.attack
def test_a_slow_request_is_disconnected(service: Upstream, subtests: pytest.Subtests) -> None:
    changes = {"header_timeout 10s": "header_timeout 1s", "body_timeout 10s": "body_timeout 1s"}
    with nginx(service.port, changes) as port:
        for name, sent in {
            "nothing": b"",
            "half a line": b"GET / HT",
            "half of the headers": b"GET / HTTP/1.1\r\nHost: a\r\nX-A",
            "half a body": request_bytes("POST", "/", "Content-Length: 10") + b"12345",
        }.items():
            with subtests.test(name), connection(port) as client:
                client.send(sent)
                assert client.is_closed()
    assert service.requests == []


@pytest.mark.process
@pytest.mark.attack
def test_one_client_with_many_requests_at_once_has_to_wait(service: Upstream) -> None:
    half = request_bytes("POST", "/", "Content-Length: 10") + b"12345"
    with nginx(service.port, {"limit_conn clients 256": "limit_conn clients 1"}) as port:
        with connection(port) as client:
            client.send(half)
            wait_until(lambda: one_response(port, request_bytes("GET"))[0] == 429)
            status, headers, body = one_response(port, request_bytes("GET"))
            assert (status, headers["retry-after"]) == (429, "1")
            assert_problem_document(status, headers, body)
        wait_until(lambda: one_response(port, request_bytes("GET"))[0] == HTTPStatus.OK)


@pytest.mark.process
@pytest.mark.attack
def test_the_service_gets_a_body_when_all_of_it_is_there(
    before_it: int, service: Upstream, subtests: pytest.Subtests
) -> None:
    halves = {
        "of a length": (request_bytes("POST", "/", "Content-Length: 7"), b'{"a"', b":1}"),
        "in chunks": (
            request_bytes("POST", "/", "Transfer-Encoding: chunked") + b"4\r\n",
            b'{"a"',
            b"\r\n3\r\n:1}\r\n0\r\n\r\n",
        ),
    }
    for name, (head, first, second) in halves.items():
        with subtests.test(name), connection(before_it) as client:
            service.requests.clear()
            client.send(head + first)
            one_response(before_it, request_bytes("GET"))
            assert [request.line[:3] for request in service.requests] == ["GET"]
            client.send(second)
            assert client.read_response()[0] == HTTPStatus.OK
            request = service.requests[-1]
            assert (request.headers["content-length"], request.body) == ("7", b'{"a":1}')
            assert "transfer-encoding" not in request.headers


@pytest.mark.process
def test_connections_to_the_service_stay_open(before_it: int, service: Upstream) -> None:
    for _ in range(10):
        assert one_response(before_it, request_bytes("GET"))[0] == HTTPStatus.OK

    assert (len(service.requests), service.connections) == (10, 1)


def closed_once(service: Upstream, port: int, method: str) -> list[int]:
    """Return the status of a request whose connection is closed once, and how often it was sent.

    First on a new connection to the service, then on one that was kept open.
    """
    found = []
    for _ in range(2):
        service.requests.clear()
        service.closes.append(True)
        found += [one_response(port, request_bytes(method))[0], len(service.requests)]
        assert one_response(port, request_bytes("GET"))[0] == HTTPStatus.OK
    return found


@pytest.mark.process
def test_only_an_idempotent_request_is_tried_again_when_the_service_closes(
    before_it: int, service: Upstream, subtests: pytest.Subtests
) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        with subtests.test(method):
            assert closed_once(service, before_it, method) == [200, 2, 200, 2]
    for method in ("POST", "PATCH"):
        with subtests.test(method):
            assert closed_once(service, before_it, method) == [502, 1, 502, 1]


@pytest.mark.process
def test_a_service_that_keeps_closing_connections_is_a_problem_and_is_tried_by_the_next_request(
    before_it: int, service: Upstream
) -> None:
    for _ in range(3):
        service.closes.extend([True, True, True])
        status, headers, body = one_response(before_it, request_bytes("GET"))
        assert (status, headers["retry-after"]) == (502, "1")
        assert_problem_document(status, headers, body)
        service.closes.clear()
        assert one_response(before_it, request_bytes("GET"))[0] == HTTPStatus.OK


@pytest.mark.process
def test_it_is_the_second_line_of_the_address_that_makes_nginx_try_again(
    service: Upstream,
) -> None:
    with nginx(service.port, {SECOND_LINE.replace("8000", str(service.port)): ""}) as port:
        service.closes.append(True)
        assert one_response(port, request_bytes("GET"))[0] == HTTPStatus.BAD_GATEWAY


@pytest.mark.process
@pytest.mark.attack
def test_pipelining_and_blank_lines_make_nobody_wait(proxy: int, subtests: pytest.Subtests) -> None:
    post = b"POST /nowhere HTTP/1.1\r\n" + HOST + b"Content-Length: 7\r\n\r\n"
    for name, sent, statuses in (
        ("two requests in one packet", GET * 2, [200, 200]),
        ("a blank line behind a body", post + BODY + b"\r\n", [404]),
        ("and another request", post + BODY + b"\r\n" + GET, [404, 200]),
        ("headers of a body to come", post, []),
    ):
        with subtests.test(name), connection(proxy) as client:
            client.send(sent)
            assert longest_wait(proxy, OPEN, requests=20) < MAX_BACKOFF
            assert [client.read_response()[0] for _ in statuses] == statuses


@pytest.mark.process
@pytest.mark.attack
def test_two_hundred_clients_that_send_half_or_read_nothing_make_nobody_wait(proxy: int) -> None:
    half = LINE + HOST + JSON + b"Content-Length: 100\r\n\r\n{"
    headers = LINE + HOST + b"X-A"
    large = b"GET /api/docs/swagger-ui-bundle.js HTTP/1.1\r\n" + HOST + b"\r\n"
    clients: list[Connection] = []
    try:
        for number in range(200):
            clients.append(connection(proxy))
            clients[-1].send((half, headers, large)[number % 3])
        # Large responses may wait for a thread, but a slow reader must not occupy one.
        for client in clients[2::3]:
            assert client.socket.recv(1)
        assert longest_wait(proxy, OPEN) < MAX_BACKOFF
    finally:
        for client in clients:
            client.__exit__()


@pytest.mark.process
@pytest.mark.attack
def test_a_malformed_request_is_refused_in_one_form_or_another(
    proxy: int, subtests: pytest.Subtests
) -> None:
    chunked = {name: CHUNKED + sent for name, sent in MALFORMED_CHUNKS.items()}
    # Gunicorn would refuse these with its own error page.
    of_gunicorn = {
        "a short method": GET.replace(b"GET", b"A"),
        "a long method": GET.replace(b"GET", b"A" * 21),
        "a URL that is not encoded": GET.replace(b" HTTP", "?a=é".encode() + b" HTTP"),
        "two content types": LINE + HOST + JSON * 2 + b"Content-Length: 2\r\n\r\n{}",
    }
    for name, sent in (MALFORMED | chunked | of_gunicorn).items():
        with subtests.test(name):
            status, headers, body = one_response(proxy, sent)
            assert 400 <= status < 500 or status in {501, 505}, body
            assert headers["content-type"] == PROBLEM, body


@pytest.mark.process
def test_a_tag_stays_strong_though_the_client_takes_gzip(proxy: int) -> None:
    request = GET.replace(b"\r\n\r\n", b"\r\nAccept-Encoding: gzip\r\n\r\n")
    status, headers, _body = one_response(proxy, request)

    assert (status, headers["etag"][0]) == (200, '"')
    assert "content-encoding" not in headers


@pytest.mark.process
def test_a_problem_of_the_service_passes_as_it_is(proxy: int) -> None:
    body = b'{"text": "Buy tea"}'
    request = LINE + HOST + JSON + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    status, headers, answered = one_response(proxy, request)

    assert (status, headers["content-type"]) == (422, PROBLEM)
    assert json.loads(answered)["errors"]
