"""Signatures of Standard Webhooks 1.0: sign outgoing webhooks, verify incoming ones."""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode
from werkzeug.datastructures import Headers

from app.core.config import CoreSettings, Environment, required_in_production, split
from app.core.config.secret_strength import is_guessable
from app.core.errors import Problem

PREFIX = "whsec_"
MIN_LENGTH, MAX_LENGTH = 24, 64  # bytes of a secret
MAX_SIGNATURES = 10  # in one header; each is compared for each secret
HOW_TO_GENERATE = (
    "make one with: python -c 'import base64, secrets; "
    f'print("{PREFIX}" + base64.b64encode(secrets.token_bytes(32)).decode())\''
)
ADVICE = (
    f"each must be {PREFIX} and base64 of {MIN_LENGTH} to {MAX_LENGTH} bytes; {HOW_TO_GENERATE}"
)
DEVELOPMENT_SECRET = f"{PREFIX}ZGV2ZWxvcG1lbnQtb25seS1yZWZ1c2VkLWluLXByb2R1Y3Rpb24="
ID = re.compile(r"[A-Za-z0-9_:-]{1,128}")  # no full stop: it is the separator of the signed content
TIMESTAMP = re.compile(r"[0-9]{1,11}")
# OpenAPI: a security scheme and header parameters.
SCHEME = {
    "type": "apiKey",
    "in": "header",
    "name": "webhook-signature",
    "description": "`v1,` and base64 of HMAC-SHA256, as Standard Webhooks 1.0 defines it",
}
PARAMETERS = [
    {
        "in": "header",
        "name": "webhook-id",
        "required": True,
        "description": "Id of the event; a retry has the same id",
        "schema": {"type": "string", "pattern": f"^{ID.pattern}$"},
    },
    {
        "in": "header",
        "name": "webhook-timestamp",
        "required": True,
        "description": "Time of sending, in seconds since 1970-01-01",
        "schema": {"type": "string", "pattern": f"^{TIMESTAMP.pattern}$"},
    },
]


def key(secret: str) -> bytes:
    """Decode the key of a `whsec_…` secret.

    Raises:
        ValueError: without the prefix, or without base64 of 24 to 64 bytes after it.

    """
    encoded = secret.removeprefix(PREFIX)
    try:
        found = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        found = b""
    if encoded == secret or not MIN_LENGTH <= len(found) <= MAX_LENGTH:
        raise ValueError(ADVICE)
    return found


Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split)]


class WebhookSettings(CoreSettings):
    """Webhooks."""

    webhook_secrets: Secrets = Field(default=(), validate_default=True)
    """The secrets that senders sign with: whsec_ and base64, separated by commas while one is
    replaced."""
    webhook_tolerance_seconds: int = Field(default=300, ge=1, le=3_600)
    """The accepted age of a signature, and clock difference to the sender, in seconds."""
    webhook_max_bytes: int = Field(default=65_536, ge=1_024, le=1_048_576)
    """The maximum size of a delivery, in bytes."""

    @field_validator("webhook_secrets")
    @classmethod
    def _well_formed(
        cls, value: tuple[SecretStr, ...], info: ValidationInfo
    ) -> tuple[SecretStr, ...]:
        if not value:
            required_in_production(None, info)
            return (SecretStr(DEVELOPMENT_SECRET),)
        keys = [key(secret.get_secret_value()) for secret in value]
        if info.data.get("app_env") is Environment.PRODUCTION and any(map(is_guessable, keys)):
            message = f"contains a secret that can be guessed; {HOW_TO_GENERATE}"
            raise ValueError(message)
        return value


class InvalidSignature(Problem):
    """The signature or timestamp of a delivery is invalid. The response does not say which."""

    status = 403
    code = "invalid_signature"
    detail = "The signature of the webhook is missing, invalid or too old."


def sign(secret: bytes, delivery_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a body with one key, as `v1,…`."""
    content = b".".join([delivery_id.encode(), str(timestamp).encode(), body])
    digest = hmac.digest(secret, content, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def headers(secrets: Iterable[bytes], delivery_id: str, body: bytes) -> dict[str, str]:
    """Return the headers to send a body with, signed with each key. A retry uses the same id."""
    now = int(time.time())
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(sign(secret, delivery_id, now, body) for secret in secrets),
    }


class Verifier:
    """Verifies deliveries with the configured secrets and clock tolerance."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._keys = [key(secret.get_secret_value()) for secret in settings.webhook_secrets]
        self._tolerance = settings.webhook_tolerance_seconds

    def verify(self, sent: Headers, body: bytes) -> str:
        """Verify a delivery and return its id.

        Every signature is compared for every secret, in constant time, so that response times
        reveal nothing about either.

        Raises:
            InvalidSignature: when a header is missing or malformed, the timestamp is off by more
                than the tolerance, or no signature matches.

        """
        delivery_id = sent.get("webhook-id", "")
        timestamp = sent.get("webhook-timestamp", "")
        offered = sent.get("webhook-signature", "").split(" ")
        if not (
            ID.fullmatch(delivery_id)
            and TIMESTAMP.fullmatch(timestamp)
            and abs(time.time() - int(timestamp)) <= self._tolerance
            and len(offered) <= MAX_SIGNATURES
        ):
            raise InvalidSignature
        fitting = [
            hmac.compare_digest(sign(secret, delivery_id, int(timestamp), body).encode(), each)
            for secret in self._keys
            for each in (signature.encode() for signature in offered)
        ]
        if not any(fitting):
            raise InvalidSignature
        return delivery_id
