from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from conftest import MakeApp, body
from tests import toy

SOME_ID = UUID(int=7)
PATH = f"{toy.URL}/{SOME_ID}"


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return toy.init_app(make_app())


def test_a_response_names_its_version_and_may_be_cached_but_not_compressed(
    client: FlaskClient,
) -> None:
    response = client.get(PATH)

    assert (response.status_code, body(response)["text"]) == (200, str(SOME_ID))
    assert response.headers["ETag"] == '"3"'
    assert response.headers["Cache-Control"] == "private, no-cache, no-transform"
    assert response.headers["Content-Encoding"] == "identity"


def test_a_current_representation_is_not_sent_again(client: FlaskClient) -> None:
    for held in ('"3"', 'W/"3"', '"2", "3"', '"3-gzip"', "*"):
        response = client.get(PATH, headers={"If-None-Match": held})

        assert (response.status_code, response.data) == (304, b""), held
        assert response.headers["ETag"] == '"3"'
        assert "Content-Type" not in response.headers
    for other in ('"2"', '"4-gzip"'):
        assert client.get(PATH, headers={"If-None-Match": other}).status_code == 200, other


def test_a_version_that_was_seen_is_compared_strongly(client: FlaskClient) -> None:
    for seen, status, code in (
        ('"3"', 200, None),
        ('"3--gzip"', 200, None),
        ("*", 200, None),
        ('"2"', 412, "precondition_failed"),
        ("nonsense", 412, "precondition_failed"),
        ('W/"3"', 412, "weak_etag"),
    ):
        response = client.get(PATH, headers={"If-Match": seen})

        assert (response.status_code, body(response).get("code")) == (status, code), seen
