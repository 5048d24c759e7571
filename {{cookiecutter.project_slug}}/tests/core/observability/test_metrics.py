import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from blinker import Signal
from flask import Flask
from flask.testing import FlaskClient

from app.core import errors
from app.core.observability import metrics
from conftest import MakeApp, body

COUNT = r"^http_server_request_duration_seconds_count\{(.*)\} ([\d.]+)$"


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = make_app(web_threads=7, service_version="1.2.3", service_commit="abc")

    @app.get("/watch")
    def watch() -> dict[str, float | str]:
        # In another thread, as a request of Prometheus is.
        with ThreadPoolExecutor() as elsewhere:
            reading = elsewhere.submit(_value, app.test_client(), "http_server_active_requests")
        return {"active": reading.result(), "padding": "x" * 300}

    @app.get("/bug")
    def bug() -> str:
        raise LookupError

    return app


def _counts(text: str) -> dict[str, float]:
    return {labels: float(count) for labels, count in re.findall(COUNT, text, re.MULTILINE)}


def test_each_application_counts_its_requests_by_route_template_and_status(
    client: FlaskClient, make_app: MakeApp
) -> None:
    client.get("/api/docs")
    before = _counts(client.get("/metrics").text)
    other = client
    client = make_app().test_client()
    client.get("/api/docs")
    client.get("/api/docs")
    client.get("/made-up-1")
    client.get("/made-up-2")
    client.open("/made-up-3", method="BREW")
    client.get("/health/live")

    response = client.get("/metrics")

    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=")
    assert _counts(response.text) == {
        'http_request_method="GET",http_response_status_code="200",http_route="/api/docs"': 2,
        'http_request_method="GET",http_response_status_code="404",http_route="_unmatched"': 2,
        'http_request_method="_OTHER",http_response_status_code="404",http_route="_unmatched"': 1,
    }
    assert _counts(other.get("/metrics").text) == before


def test_from_outside_the_route_does_not_exist(client: FlaskClient) -> None:
    principals: list[tuple[str, dict[str, str]]] = [
        ("8.8.8.8", {}),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=10.0.0.1"}),
        ("2606:4700::1111", {}),
        ("", {}),
    ]
    for address, headers in principals:
        response = client.get("/metrics", environ_base={"REMOTE_ADDR": address}, headers=headers)

        assert response.status_code == 404, (address, headers)
        assert response.mimetype == errors.MEDIA_TYPE


def _value(client: FlaskClient, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found, series
    return float(found[1])


def test_requests_being_answered_and_their_sizes_are_known(client: FlaskClient) -> None:
    assert body(client.get("/watch"))["active"] == 1

    assert _value(client, "http_server_active_requests") == 0
    assert _value(client, "http_server_threads") == 7
    where = 'http_request_method="GET",http_route="/watch",le="%s"'
    size = "http_server_response_body_size_bytes_bucket{" + where + "}"
    assert [_value(client, size % most) for most in ("256.0", "1024.0")] == [0, 1]


def test_a_bug_is_counted_by_its_type_and_a_refusal_is_not(client: FlaskClient) -> None:
    client.get("/bug")
    client.get("/nowhere")

    found = re.findall(
        r"^http_server_exceptions_total.*", client.get("/metrics").text, re.MULTILINE
    )
    assert found == [
        'http_server_exceptions_total{error_type="LookupError",http_request_method="GET",http_route="/bug"} 1.0'
    ]


def test_the_build_is_shown(client: FlaskClient) -> None:
    assert _value(client, 'service_build_info{commit="abc",version="1.2.3"}') == 1


def test_signals_are_counted_for_the_application_that_sends_them(
    app: Flask, make_app: MakeApp
) -> None:
    baked, eaten = Signal(), Signal()
    other = make_app()
    for each in (app, other):
        metrics.count(each, baked, "baked_total", "Cakes")
        metrics.count(each, eaten, "eaten_total", "Cakes", ["by"])

    with app.app_context():
        metrics.send(baked)
        for by in ("dog", "cat", "dog"):
            metrics.send(eaten, by=by)

    client = app.test_client()
    assert _value(client, "baked_total") == 1
    assert _value(client, 'eaten_total{by="dog"}') == 2
    assert _value(other.test_client(), "baked_total") == 0


def test_scrapers_that_accept_openmetrics_get_it(client: FlaskClient) -> None:
    response = client.get(
        "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}
    )

    assert response.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert response.text.endswith("# EOF\n")


def test_the_number_of_series_is_bounded(app: Flask) -> None:
    client = app.test_client()

    def series() -> int:
        return len(client.get("/metrics").text.splitlines())

    client.get("/made-up-0")
    client.open("/made-up-0", method="BREW")
    before = series()
    for number in range(1, 20):
        client.get(f"/made-up-{number}?q={number}", headers={"User-Agent": f"agent-{number}"})
        client.open(f"/made-up-{number}", method=f"BREW{number}")

    assert series() == before
