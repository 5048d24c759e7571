import base64
import secrets

import pytest

from app.core.config.secret_strength import is_guessable

LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789"
WEAK = {
    "one byte": b"a" * 64,
    "few bytes": b"abcdefgh" * 8,
    "a shorter secret, repeated": bytes.fromhex("9d8c7b6a5f4e32100f1e2d3c") * 3,
    "a shorter secret, repeated and cut off": (b"q8Zr5kXw0LmB" * 4)[:40],
    "a sequence": bytes(range(48)),
    "a sequence downwards": LETTERS[::-1],
    "words of an example": b"my-Secret-0123456789-abcdefghijkl",
    "a placeholder of a template": b"<generate with openssl rand -hex 32>",
    "an instruction": b"insert-your-key-here-0815-4711-xyz",
    "keys of a keyboard": b"qwertyuiopasdfghjklzxcvbnm123456",
    "a famous phrase": b"Correct-Horse-Battery-Staple-2026",
    "one byte in hexadecimal": b"61" * 32,
    "one byte in base64": base64.b64encode(b"a" * 48),
    "a sequence in base64url": base64.urlsafe_b64encode(bytes(range(200, 250))).rstrip(b"="),
    "words of an example in base64": base64.b64encode(b"a key of development, 0815 4711 xyz"),
}


@pytest.mark.attack
@pytest.mark.parametrize("what", WEAK)
def test_a_secret_that_was_not_drawn_at_random_is_guessable(what: str) -> None:
    assert is_guessable(WEAK[what])


def test_a_random_secret_is_accepted() -> None:
    for _ in range(100):
        assert not is_guessable(secrets.token_bytes(24))
        assert not is_guessable(secrets.token_hex(32).encode())
        assert not is_guessable(secrets.token_urlsafe(32).encode())
