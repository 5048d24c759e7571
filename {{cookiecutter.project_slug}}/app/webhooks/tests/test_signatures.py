import base64
import time
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug.datastructures import Headers

from app.settings import Settings
from app.webhooks import signatures
from app.webhooks.signatures import Verifier

SECRET = signatures.DEVELOPMENT_SECRET
BODY = '{"type": "é", "data": {}}'


def test_our_signature_is_valid_for_the_reference_library() -> None:
    headers = signatures.headers([b"x" * 32, signatures.key(SECRET)], "msg_1", BODY.encode())

    Webhook(SECRET).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + " ", headers)


def test_a_signature_of_the_reference_library_is_valid_here() -> None:
    now = int(time.time())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(now, UTC), BODY),
    }

    verifier = Verifier(Settings.model_validate({"app_env": "testing"}))
    assert verifier.verify(Headers(headers), BODY.encode()) == "msg_1"


def test_a_secret_that_nobody_can_use_is_refused_at_start(production: dict[str, str]) -> None:
    good = production["webhook_secrets"]
    for wrong in ("0815", "c2hvcnQ=", "whsec_c2hvcnQ=", "whsec_!" + "A" * 32, "whsec_" + "A" * 92):
        with pytest.raises(ValidationError, match="make one with: python -c") as refused:
            Settings.model_validate({**production, "webhook_secrets": f"{good},{wrong}"})
        assert wrong not in str(refused.value)


def test_production_takes_no_secret_that_can_be_guessed(production: dict[str, str]) -> None:
    good = production["webhook_secrets"]
    for secrets, sentence in (
        ("", "is required in production"),
        (SECRET, "can be guessed; make one with"),
        (f"{good},whsec_{'A' * 32}", "can be guessed"),
        (f"whsec_{base64.b64encode(b'change me ' * 3).decode()},{good}", "can be guessed"),
    ):
        with pytest.raises(ValidationError, match=sentence):
            Settings.model_validate({**production, "webhook_secrets": secrets})
