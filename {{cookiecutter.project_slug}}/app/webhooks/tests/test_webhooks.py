from collections.abc import Iterator
from io import BytesIO

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core import api
from app.webhooks import signatures
from app.webhooks.routes import URL
from app.webhooks.tests import SECRET, deliver, event, note, signed, with_notes
from conftest import LogLines, MakeApp
from tests.boundaries import Described
from tests.waiting import HANG_TIMEOUT_SECONDS


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return with_notes(make_app())


def forgeries(body: bytes) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Yield forged deliveries: a label, the body and the headers."""
    good = signed(body)
    signature = good["webhook-signature"]
    for name in good:
        yield f"no {name}", body, {key: good[key] for key in good if key != name}
        yield f"empty {name}", body, {**good, name: ""}
        yield f"non-ASCII {name}", body, {**good, name: "é" + good[name]}
        yield f"long {name}", body, {**good, name: good[name] * 200}
    yield "another id", body, {**good, "webhook-id": "msg_other"}
    yield "an id with a full stop", body, signed(body, "msg.1")
    for number in range(0, len(body), 10):
        flipped = bytearray(body)
        flipped[number] ^= 1
        yield f"body bit {number} flipped", bytes(flipped), good
    for number in range(3, len(signature), 5):
        other = signature[:number] + chr(ord(signature[number]) ^ 1) + signature[number + 1 :]
        yield f"signature bit {number} flipped", body, {**good, "webhook-signature": other}
    now = int(good["webhook-timestamp"])
    for seconds in (-301, 600, -86_400, 10**9, -now):  # these attempts take a while
        signature = signatures.sign(SECRET, good["webhook-id"], now + seconds, body)
        headers = {"webhook-timestamp": str(now + seconds), "webhook-signature": signature}
        yield f"{seconds} seconds away", body, {**good, **headers}
    for timestamp in ("now", "1e9", "-1", f"{now}.5", f" {now}", "9" * 40):
        yield f"timestamp {timestamp}", body, {**good, "webhook-timestamp": timestamp}
    for made_up in (
        signature.replace("v1,", "v2,"),
        signature.replace("v1,", ""),
        signature[3:],
        "v1,",
        "v1",
        signature.lower(),
        signature.rstrip("="),
        " ".join([signature.replace("v1,", "v1a,")] * 3),
        " ".join([*["v1,AAAA"] * 10, signature]),  # more signatures than are compared
    ):
        yield f"signature {made_up[:20]}", body, {**good, "webhook-signature": made_up}
    foreign = signatures.sign(b"x" * 32, good["webhook-id"], now, body)
    yield "another secret", body, {**good, "webhook-signature": foreign}
    yield (
        "an empty secret",
        body,
        {
            **good,
            "webhook-signature": signatures.sign(b"", good["webhook-id"], now, body),
        },
    )


@pytest.mark.attack
def test_a_forged_delivery_is_refused_without_a_reason(
    client: FlaskClient, log_lines: LogLines, subtests: pytest.Subtests
) -> None:
    for name, body, headers in forgeries(note()):
        with subtests.test(name):
            response = deliver(client, body, headers)

            assert response.status_code == 403
            assert response.mimetype == "application/problem+json"
            assert response.json is not None
            assert response.json["code"] == "invalid_signature"
            assert "errors" not in response.json
    assert {line["logger"] for line in log_lines} <= {"app.access"}


@pytest.mark.attack
def test_a_large_body_is_not_even_read(client: FlaskClient) -> None:
    body = note(text="x" * 70_000)

    assert deliver(client, body).status_code == 413

    chunked = client.post(
        URL,
        input_stream=BytesIO(body),
        headers={"Transfer-Encoding": "chunked", **signed(body)},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert chunked.status_code == 413


@pytest.mark.attack
def test_a_signed_body_of_another_kind_is_refused(client: FlaskClient) -> None:
    for body, status in ((b"{", 400), (b"[]", 422), (b"null", 422), (b"", 422), (b"\xff", 400)):
        assert deliver(client, body).status_code == status, body
    body = note()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = client.post(URL, data=body, headers=signed(body), content_type=kind)
        assert response.status_code == 415, kind


def test_every_wrong_value_of_a_known_event_is_named(client: FlaskClient) -> None:
    response = deliver(client, note(note_id="1", copies="2", language="English"))

    assert response.status_code == 422
    assert response.json is not None
    assert {error["pointer"] for error in response.json["errors"]} == {
        "#/data/note_id",
        "#/data/copies",
        "#/data/language",
    }


def test_an_unknown_event_is_acknowledged_and_logged(
    client: FlaskClient, log_lines: LogLines
) -> None:
    response = deliver(client, event("note.torn", reason="unknown"))

    assert (response.status_code, response.data) == (204, b"")
    (line,) = [line for line in log_lines if line["logger"] == "app.webhooks.routes"]
    assert line["level"] == "WARNING"
    assert line["event_type"] == "note.torn"


def test_during_a_rotation_both_secrets_are_valid(make_app: MakeApp) -> None:
    old, new = (f"whsec_{email * 32}" for email in "ab")
    client = make_app(webhook_secrets=f"{old},{new}").test_client()
    body = event("note.torn")

    for secrets in ([old], [new], [old, new], [new, "whsec_" + "c" * 32]):
        headers = signatures.headers(map(signatures.key, secrets), "msg_1", body)
        assert deliver(client, body, headers).status_code == 204, secrets
    assert deliver(client, body).status_code == 403


def test_the_tolerance_and_the_size_can_be_set(make_app: MakeApp) -> None:
    tolerance = round(HANG_TIMEOUT_SECONDS)
    client = make_app(webhook_tolerance_seconds=tolerance, webhook_max_bytes=1024).test_client()
    body = event("note.torn")
    headers = signed(body)
    late = int(headers["webhook-timestamp"]) - tolerance - 2
    headers |= {
        "webhook-timestamp": str(late),
        "webhook-signature": signatures.sign(SECRET, headers["webhook-id"], late, body),
    }

    assert deliver(client, body, headers).status_code == 403
    assert deliver(client, event("note.torn", note="x" * 1024)).status_code == 413
    assert deliver(client, body).status_code == 204


@pytest.mark.slow
def test_an_event_is_read_exactly_as_documented(client: FlaskClient) -> None:
    found = api.document(client.application)
    operation = found["paths"][URL]["post"]
    allowed = operation["requestBody"]["content"]["application/json"]["schema"]
    whole = Described(allowed, found["components"])
    verdicts = set()
    for kind in allowed["anyOf"]:
        for value in Described(kind, found["components"]).changed():
            response = deliver(client, orjson.dumps(value))
            read = response.status_code == 204
            assert read == whole.validator.is_valid(value), (value, response.text)
            verdicts.add(read)
    assert verdicts == {True, False}
