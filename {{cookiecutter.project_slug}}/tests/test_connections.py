"""Connections to the shipped Gunicorn: no client delays another."""

import http.client
import time
from collections.abc import Iterator

import pytest

from app.core import errors
from tests import toy
from tests.connections import MAX_BACKOFF, connection, longest_wait, timing
from tests.servers import Server, gunicorn
from tests.waiting import HANG_TIMEOUT_SECONDS

pytestmark = [pytest.mark.process, pytest.mark.attack]

LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST = b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 7\r\n\r\n"
BODY = b'{"a":1}'
ONE_WORKER = {"WEB_CONCURRENCY": "1", "ALLOWED_HOSTS": "127.0.0.1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start Gunicorn with one worker; assert at the end that it has logged no error."""
    with gunicorn(tmp_path_factory.mktemp("gunicorn"), toy.FACTORY, **ONE_WORKER) as running:
        yield running
        running.stop()
        assert not [line for line in running.lines() if line["level"] == "ERROR"]


def test_two_requests_in_one_packet_get_responses_and_block_no_other_client(server: Server) -> None:
    with connection(server.port) as client:
        client.send(LIVE * 2)

        assert longest_wait(server.port) < MAX_BACKOFF
        assert [client.read_response()[0], client.read_response()[0]] == [200, 200]


def test_a_blank_line_after_a_body_blocks_no_other_client(server: Server) -> None:
    with connection(server.port) as client:
        client.send(POST + BODY + b"\r\n")
        assert client.read_response()[0] == 404

        assert longest_wait(server.port) < MAX_BACKOFF
        client.send(LIVE)
        assert client.read_response()[0] == 200


def test_a_body_and_a_request_after_the_response_block_no_other_client(server: Server) -> None:
    with connection(server.port) as client:
        client.send(POST)
        assert client.read_response()[0] == 404
        client.send(BODY + LIVE)

        assert longest_wait(server.port) < MAX_BACKOFF
        assert client.read_response()[0] == 200


@pytest.mark.slow
def test_no_request_of_an_ordinary_client_takes_a_second(server: Server) -> None:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG_TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json"}
    requests = [("POST", toy.URL), ("PUT", toy.URL), ("GET", "/api/openapi.json")]
    with timing() as waits:
        for number in range(3_000):
            method, path = requests[number % 3]
            began = time.monotonic()
            client.request(method, path, None if method == "GET" else BODY * 100, headers)
            response = client.getresponse()
            response.read()
            waits.seconds.append(time.monotonic() - began)
            assert response.status < 500
    client.close()

    assert waits.longest < MAX_BACKOFF


LINE = f"POST {toy.URL} HTTP/1.1\r\n".encode()
HOST = b"Host: 127.0.0.1\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = LINE + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
MALFORMED_CHUNKS = {
    "a chunk of no size": b"zz\r\n",
    "a chunk without its end": b"2\r\n{}xx",
    "a chunk extension that is none": b"2;\r\x01\r\n{}\r\n",
    "a trailer that is none": b"2\r\n{}\r\n0\r\nno colon\r\n\r\n",
    "a trailer section too long": b"2\r\n{}\r\n0\r\n" + b"X: a\r\n" * 2_000 + b"\r\n",
}


def test_a_chunked_body_that_is_malformed_is_a_400(
    server: Server, subtests: pytest.Subtests
) -> None:
    for name, body in MALFORMED_CHUNKS.items():
        with subtests.test(name), connection(server.port) as client:
            client.send(CHUNKED + body)
            status, headers, document = client.read_response()
            assert (status, headers["content-type"]) == (400, errors.MEDIA_TYPE), document
            assert client.is_closed()


def test_a_body_that_breaks_off_is_no_error_of_the_service(
    server: Server, subtests: pytest.Subtests
) -> None:
    half = LINE + HOST + JSON + b"Content-Length: 100\r\n\r\n{"
    for name, data in {"by its length": half, "in a chunk": CHUNKED + b"5\r\n{}"}.items():
        with subtests.test(name), connection(server.port) as client:
            client.send_last(data)
            assert client.read_response()[0] == 400


MALFORMED = {
    "two lengths": LINE + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "length and chunks": LINE
    + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": LINE + HOST + b"Content-Length: -1\r\n\r\n",
    "a length that is none": LINE + HOST + b"Content-Length: 0x2\r\n\r\n{}",
    "chunks twice": LINE + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two hosts": LINE + HOST + b"Host: evil.example\r\n\r\n",
    "a host that is not ours": LINE + b"Host: evil.example\r\n\r\n",
    "no host": LINE + b"\r\n",
    "a long line": b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long header": LINE + HOST + b"X: " + b"a" * 9_000 + b"\r\n\r\n",
    "many headers": LINE + HOST + b"X: a\r\n" * 100 + b"\r\n",
    "a null byte in the line": b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a null byte in a header": LINE + HOST + b"X: a\0b\r\n\r\n",
    "a folded header": LINE + HOST + b"X: a\r\n b\r\n\r\n",
    "a blank before the colon": LINE + b"Host : 127.0.0.1\r\n\r\n",
    "a bare line feed in a header": LINE + HOST + b"X: a\nY: b\r\n\r\n",
    "an unknown version": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n" * 2,
    "another protocol's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


def test_a_request_that_is_malformed_gets_a_refusal(
    server: Server, subtests: pytest.Subtests
) -> None:
    for name, data in MALFORMED.items():
        with subtests.test(name), connection(server.port) as client:
            client.send_last(data)
            status, _headers, body = client.read_response()
            assert 400 <= status < 500, body
