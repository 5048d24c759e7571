"""`Idempotency-Key`: a request that is sent again does not happen again.

The key is kept in the row that the request creates, under a unique constraint: whoever comes
second, a second later or at the same instant, finds the row of the first.
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
    """The key belongs to another request."""

    code = "idempotency_key_reused"
    detail = "The Idempotency-Key was used with another body. Use a new key."


class IdempotencyHeaders(Schema):
    """The header, plain or in quotes as draft-ietf-httpapi-idempotency-key-header writes it."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key",
        validate=FullMatch(
            WELL_FORMED_KEY,
            error="Must be 8 to 128 letters, digits or any of . _ : ~ + / = -, such as a UUID.",
        ),
        # No example: pages that send requests fill it in, and each try after the first one would
        # answer with the result of the first.
        metadata={
            "description": "A UUID of your own: the same key and body give the same result again"
        },
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """What the first request stores, and what the next one is compared with.

    Digests have one length, compare alike under every collation and keep no text of the client.
    """

    key: str
    fingerprint: str

    # {% if cookiecutter.auth != "none" %}
    def owned_by(self, owner: object) -> Self:
        """Return the claim of this owner: whoever else chooses the same key has another one."""
        return replace(self, key=digest(f"{owner} {self.key}".encode()))

    # {% endif %}
    @classmethod
    def of(cls, key: str, body: Mapping[str, Any]) -> Self:
        """Return the claim of a request with this key and this body."""
        canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
        return cls(digest(key.strip('"').encode()), digest(canonical))


def digest(value: bytes) -> str:
    """Return what is stored in place of a client's own text."""
    return hashlib.sha256(value).hexdigest()
