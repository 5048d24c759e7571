"""How strong a secret must be in production: one check for all that this service signs with.

Those are SECRET_KEY, the keys of tokens and the secrets of webhooks. Passwords and client secrets
that another system chooses are not checked here.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

MIN_DISTINCT = 10  # bytes; 16 random ones in hexadecimal have about 14
GUESSABLE = re.compile(
    rb"change|secret|password|example|default|insecure|development", re.IGNORECASE
)
STANDARD = bytes.maketrans(b"-_", b"+/")


def is_guessable(secret: bytes) -> bool:
    """Tell whether a secret was not drawn at random, by its bytes and by those that it encodes.

    It finds few distinct bytes, a shorter secret repeated, a sequence, and words of examples.
    """
    return any(map(_is_regular, _readings(secret)))


def _readings(secret: bytes) -> Iterator[bytes]:
    """Yield the bytes, and what they are in hexadecimal and in base64 with either alphabet."""
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
