"""Passwords: what makes a good one, and how they are kept.

The rules are those of NIST SP 800-63B: long rather than complicated, any character, never cut off.
"""

import base64
import secrets
import unicodedata
from collections.abc import Iterator
from typing import cast

from flask import Flask, current_app
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import Field, ValidationInfo, field_validator
from zxcvbn import zxcvbn

from app.core.config import NAME, CoreSettings, Environment
from app.core.errors import Unprocessable

SHORTEST, LONGEST = 12, 128  # characters
WRONG_LENGTH = f"Must have {SHORTEST} to {LONGEST} characters."
FEWEST_DIFFERENT = 5
LEAST_SCORE = 3  # of zxcvbn's 0 to 4: more than a hundred million guesses
ESTIMATED = 16  # characters at either end: some long texts take zxcvbn seconds
SHORTEST_NAME = 4  # a shorter one is in many a good password by chance
# OWASP Password Storage Cheat Sheet, Argon2id: for so many passes at least so many KiB.
LEAST_KIB = {1: 47_104, 2: 19_456, 3: 12_288, 4: 9_216, 5: 7_168}
USUAL = {"password_passes": 2, "password_memory_kib": LEAST_KIB[2]}
CHEAPEST = {"password_passes": 1, "password_memory_kib": 8}  # tests hash a lot


class PasswordSettings(CoreSettings):
    """Password hashes."""

    password_passes: int = Field(default=None, ge=1, le=20, validate_default=True)
    """The number of passes (time cost) of Argon2id; production accepts no less than OWASP
    recommends."""
    password_memory_kib: int = Field(default=None, ge=8, le=4_194_304, validate_default=True)
    """The memory of Argon2id, in KiB; production accepts no less than OWASP recommends."""

    @field_validator("password_passes", "password_memory_kib", mode="before")
    @classmethod
    def _usual(cls, value: object, info: ValidationInfo) -> object:
        testing = info.data.get("app_env") is Environment.TESTING
        return (CHEAPEST if testing else USUAL)[str(info.field_name)] if value is None else value

    @field_validator("password_memory_kib")
    @classmethod
    def _dear_enough(cls, value: int, info: ValidationInfo) -> int:
        passes = min(info.data.get("password_passes", 1), max(LEAST_KIB))
        if info.data.get("app_env") is Environment.PRODUCTION and value < LEAST_KIB[passes]:
            message = f"must be {LEAST_KIB[passes]} or more with these PASSWORD_PASSES (OWASP)"
            raise ValueError(message)
        return value


class WeakPassword(Unprocessable):
    """The password is not good enough; everything that is wrong with it is said at once."""

    code = "weak_password"
    detail = "Choose another password; errors lists what is wrong with this one."

    def __init__(self, sentences: list[str]) -> None:
        """Take what is wrong."""
        self.sentences = sentences
        place = {"in": "body", "pointer": "#/password"}
        super().__init__(members={"errors": [{**place, "detail": each} for each in sentences]})


class Passwords:
    """Hashes passwords with Argon2id and compares them."""

    def __init__(self, settings: PasswordSettings) -> None:
        """Take what a hash may cost."""
        passes, memory = settings.password_passes, settings.password_memory_kib
        hasher = Argon2Hasher(time_cost=passes, memory_cost=memory, parallelism=1)
        self._hashes = PasswordHash((hasher,))
        names = {settings.service_name.casefold(), NAME}
        self._names = {name for name in names if len(name) >= SHORTEST_NAME}
        # The hash of no password: comparing with it takes as long as with any other.
        salt, nothing = (_unpadded(secrets.token_bytes(size)) for size in (16, 32))
        self._nobody = f"$argon2id$v=19$m={memory},t={passes},p=1${salt}${nothing}"

    def check(self, password: str, email: str) -> None:
        """Let a new password pass.

        Raises:
            WeakPassword: with all that is wrong with it.

        """
        # Counted as it was sent, so that the API document can say how long it may be.
        fits = SHORTEST <= len(password) <= LONGEST
        sentences = [] if fits else [WRONG_LENGTH]
        sentences += self._problems(normalised(password).casefold(), email, fits=fits)
        if sentences:
            raise WeakPassword(sentences)

    def hash(self, password: str) -> str:
        """Return what is stored."""
        return self._hashes.hash(normalised(password))

    def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Tell whether a password is right, and what to store when hashes have become dearer.

        Without a stored one it is wrong, and that takes as long.
        """
        return self._hashes.verify_and_update(normalised(password), stored or self._nobody)

    def _problems(self, password: str, email: str, *, fits: bool) -> Iterator[str]:
        if len(set(password)) < FEWEST_DIFFERENT:
            yield f"Must have {FEWEST_DIFFERENT} different characters."
        if fits and _is_guessable(password):
            yield "Must be harder to guess: it is a common password, a pattern, or little more."
        local, _, _ = email.partition("@")
        if email in password or (len(local) >= SHORTEST_NAME and local in password):
            yield "Must not contain the e-mail address."
        if any(name in password for name in self._names):
            yield "Must not contain the name of this service."


def _is_guessable(password: str) -> bool:
    ends = {password[:ESTIMATED], password[-ESTIMATED:]}
    return all(zxcvbn(end)["score"] < LEAST_SCORE for end in ends)


def normalised(password: str) -> str:
    """Return one spelling of what keyboards write in several (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def of_app() -> Passwords:
    """Return the passwords of the current application."""
    return cast("Passwords", current_app.extensions["passwords"])


def init_app(app: Flask, settings: PasswordSettings) -> None:
    """Let this application keep passwords."""
    app.extensions["passwords"] = Passwords(settings)


def _unpadded(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")
