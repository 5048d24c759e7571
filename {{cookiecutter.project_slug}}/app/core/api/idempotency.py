"""`Idempotency-Key`: a request that is sent again takes effect only once.

The key is stored in the row that the request creates, under a unique constraint. A second request
with the same key, later or at the same time, finds the row of the first.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import (  # one line where it fits
    dataclass,
    # {% if cookiecutter.auth != "none" %}
    replace,
    # {% endif %}
)
from typing import Any, Self

import orjson
from marshmallow import fields

from app.core.errors import Unprocessable
from app.core.schemas import FullMatch, Schema

DIGEST_LENGTH = 64  # SHA-256 in hexadecimal
WELL_FORMED_KEY = r'"?[A-Za-z0-9][A-Za-z0-9._:~+/=-]{7,127}"?'


class IdempotencyKeyReused(Unprocessable):
    """The key was used before, with another body."""

    code = "idempotency_key_reused"
    detail = "The Idempotency-Key was used with another body. Use a new key."


class IdempotencyHeaders(Schema):
    """The header, plain or in quotes as in draft-ietf-httpapi-idempotency-key-header."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key",
        validate=FullMatch(
            WELL_FORMED_KEY,
            error="Must be 8 to 128 letters, digits or any of . _ : ~ + / = -, such as a UUID.",
        ),
        # No example: API consoles fill it in, and every request after the first would return the
        # result of the first.
        metadata={
            "description": "A UUID of your own: the same key and body give the same result again"
        },
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """The digests of a request's key and body: stored first, compared when it is sent again.

    Digests have a fixed length, compare the same under every collation, and contain no text of the
    client.
    """

    key: str
    fingerprint: str
    """The "idempotency fingerprint" of draft-ietf-httpapi-idempotency-key-header, section 2.4."""

    # {% if cookiecutter.auth != "none" %}
    def owned_by(self, owner: object) -> Self:
        """Return the claim of this owner: another owner's claim with the same key differs."""
        return replace(self, key=digest(f"{owner} {self.key}".encode()))

    # {% endif %}
    @classmethod
    def of(cls, key: str, body: Mapping[str, Any]) -> Self:
        """Return the claim of a request with this key and this body."""
        canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
        return cls(digest(key.strip('"').encode()), digest(canonical))


def digest(value: bytes) -> str:
    """Return the SHA-256 digest that is stored in place of a client's text."""
    return hashlib.sha256(value).hexdigest()
