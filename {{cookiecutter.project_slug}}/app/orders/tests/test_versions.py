import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPConnection, HTTPResponse

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from app.orders.tests.test_orders import BASKET, URL
from conftest import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    authorization,
    # {% endif %}
    body,
)
from tests.nginx import nginx
from tests.waiting import HANG_TIMEOUT_SECONDS


def test_an_order_that_is_held_already_is_not_sent_again(client: FlaskClient) -> None:
    placed = client.post(URL, json=BASKET)
    location, etag = placed.headers["Location"], placed.headers["ETag"]

    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get(location, headers={"If-None-Match": held})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == etag
        assert again.headers["Cache-Control"] == "private, no-cache, no-transform"
    for other in ('"other"', "nonsense", ""):
        assert client.get(location, headers={"If-None-Match": other}).status_code == 200
    assert client.get(location, headers={"If-Match": '"other"'}).status_code == 412


def test_only_the_version_that_was_read_is_cancelled(client: FlaskClient) -> None:
    placed = client.post(URL, json=BASKET)
    location, etag = placed.headers["Location"], placed.headers["ETag"]

    for other in ('"other"', 'W/"other"', "nonsense", ""):
        refused = client.post(f"{location}/cancel", headers={"If-Match": other})
        assert refused.status_code == 412
        assert body(refused)["code"] == "precondition_failed"
    cancelled = client.post(f"{location}/cancel", headers={"If-Match": etag})
    assert cancelled.status_code == 200
    assert cancelled.headers["ETag"] == client.get(location).headers["ETag"] != etag


def test_a_weak_tag_of_the_present_version_is_refused_with_the_reason(client: FlaskClient) -> None:
    """RFC 9110, 13.1.1: strong comparison. A client that reads again gets the same weak tag."""
    placed = client.post(URL, json=BASKET)
    location, etag = placed.headers["Location"], placed.headers["ETag"]
    weak = {"If-Match": f"W/{etag}"}

    for refused in (
        client.post(f"{location}/cancel", headers=weak),
        client.get(location, headers=weak),
    ):
        assert refused.status_code == 412
        assert body(refused)["code"] == "weak_etag"


def test_a_tag_that_names_the_coding_of_a_proxy_is_that_of_its_version(
    client: FlaskClient, subtests: pytest.Subtests
) -> None:
    """Apache's mod_deflate adds a suffix to the ETag of every response that it compresses."""
    location = client.post(URL, json=BASKET).headers["Location"]

    for coded in ("%s-gzip", "%s-br", "%s-zstd", "%s-deflate", "%s--gzip", "%s;gzip"):
        with subtests.test(coded):
            tag, other = (f'"{coded}"' % version for version in (1, 2))
            held = {"If-Match": f"{other}, {tag}", "If-None-Match": tag}
            assert client.get(location, headers=held).status_code == 304
            for header in ({"If-Match": other}, {"If-Match": f"W/{tag}"}):
                assert client.post(f"{location}/cancel", headers=header).status_code == 412
    for unknown in ('"1-other"', '"1gzip"', '"1---gzip"', '"-gzip"', '"1-gzip', '"1-gzip-gzip"'):
        with subtests.test(unknown):
            refused = client.post(f"{location}/cancel", headers={"If-Match": unknown})
            assert refused.status_code == 412
    cancelled = client.post(f"{location}/cancel", headers={"If-Match": '"1-gzip"'})
    assert cancelled.status_code == 200


COMPRESSING = "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;"


Ask = Callable[..., HTTPResponse]


def request(
    port: int, usual: dict[str, str], method: str, path: str, payload: object = None, **more: str
) -> HTTPResponse:
    """Send a request; return the response, for its headers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=HANG_TIMEOUT_SECONDS)
    connection.request(method, path, json.dumps(payload) if payload else None, usual | more)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


@pytest.fixture
def compressing(app: Flask) -> Iterator[Ask]:
    """Serve the application behind an nginx that compresses as much as it can."""
    usual = {
        "Accept-Encoding": "gzip",
        "Content-Type": "application/json",
        # {% if cookiecutter.auth != "none" %}
        "Authorization": authorization(app),
        # {% endif %}
    }
    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        with nginx(server.server_port, {"gzip off;": COMPRESSING}) as port:
            yield partial(request, port, usual)
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def test_a_version_is_changed_by_its_tag_behind_a_proxy_that_compresses(compressing: Ask) -> None:
    document = compressing("GET", "/api/openapi.json")
    assert document.headers["Content-Encoding"] == "gzip", "this nginx compresses nothing"
    assert document.headers["ETag"].startswith("W/")

    location = compressing("POST", URL, BASKET).headers["Location"]
    etag = compressing("GET", location).headers["ETag"]
    assert compressing("GET", location, **{"If-None-Match": etag}).status == 304
    assert compressing("POST", f"{location}/cancel", **{"If-Match": '"other"'}).status == 412
    assert compressing("POST", f"{location}/cancel", **{"If-Match": etag}).status == 200
