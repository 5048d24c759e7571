"""The strength of secrets in production: one check for all secrets that this service signs with.

These are SECRET_KEY, the keys of tokens and the secrets of webhooks. Passwords and client secrets
that another system chooses are not checked.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

MIN_DISTINCT = 10  # bytes; 16 random ones in hexadecimal have about 14
GUESSABLE = re.compile(
    rb"change|secret|password|example|default|insecure|development|correct|dummy|generate|insert"
    rb"|letmein|openssl|placeholder|qwert|replace|signing|test[-_]|todo[-_]|your[-_]|admin",
    re.IGNORECASE,
)
STANDARD = bytes.maketrans(b"-_", b"+/")


def is_guessable(secret: bytes) -> bool:
    """Return whether a secret appears not to be random, as it is or decoded.

    It detects few distinct bytes, a repeated shorter secret, a sequence, and words from examples.
    """
    return any(map(_is_regular, _readings(secret)))


def _readings(secret: bytes) -> Iterator[bytes]:
    """Yield the bytes, and the bytes decoded from hexadecimal and base64 (either alphabet)."""
    yield secret
    with suppress(binascii.Error):
        yield binascii.unhexlify(secret)
    with suppress(binascii.Error):
        digits = secret.rstrip(b"=").translate(STANDARD)
        yield base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)


def _is_regular(secret: bytes) -> bool:
    steps = {after - before for before, after in pairwise(secret)}
    periods = range(1, len(secret) // 2 + 1)
    return (
        min(len(set(secret)), len(steps)) < MIN_DISTINCT
        or any(secret[period:] == secret[:-period] for period in periods)
        or GUESSABLE.search(secret) is not None
    )
