"""Password rules, and hashing with Argon2id.

The rules follow NIST SP 800-63B: a minimum length instead of composition rules, any character, and
no truncation.
"""

import base64
import secrets
import unicodedata
from collections.abc import Iterator

from flask import Flask
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import Field, ValidationInfo, field_validator
from zxcvbn import zxcvbn

from app.core.config import PROJECT_SLUG, CoreSettings, Environment
from app.core.errors import Unprocessable
from app.core.extension import Extension

DEFAULT_MIN_LENGTH, MAX_LENGTH = 12, 128  # characters
MIN_DIFFERENT = 5
# What production accepts at least (OWASP ASVS 5.0, 6.2.1 and 6.2.4).
LEAST_LENGTH = 8
LEAST_SCORE = 2  # none of the 3,000 most common passwords has it
ESTIMATED = 16  # characters at each end: zxcvbn takes seconds for some long passwords
MIN_NAME_LENGTH = 4  # shorter names occur in strong passwords by chance
# OWASP Password Storage Cheat Sheet, Argon2id: minimum memory in KiB by number of iterations.
MIN_KIB = {1: 47_104, 2: 19_456, 3: 12_288, 4: 9_216, 5: 7_168}
DEFAULT_COST = {"argon2_time_cost": 2, "argon2_memory_kib": MIN_KIB[2]}
TEST_COST = {"argon2_time_cost": 1, "argon2_memory_kib": 8}  # tests hash many passwords


class PasswordSettings(CoreSettings):
    """Passwords and their hashes."""

    password_min_length: int = Field(default=DEFAULT_MIN_LENGTH, ge=1, le=64)
    """The minimum length of a new password, in characters; production accepts no less than 8."""
    password_min_score: int = Field(default=3, ge=0, le=4)
    """How hard to guess a new password must be, as zxcvbn's score from 1 (10^3 guesses) to 4 (10^10);
    0: only the length is checked. Production accepts no less than 2."""

    argon2_time_cost: int = Field(default=None, ge=1, le=20, validate_default=True)
    """The number of passes (time cost) of Argon2id; production accepts no less than OWASP
    recommends."""
    argon2_memory_kib: int = Field(default=None, ge=8, le=4_194_304, validate_default=True)
    """The memory of Argon2id, in KiB; production accepts no less than OWASP recommends."""

    @field_validator("password_min_length", "password_min_score")
    @classmethod
    def _strong_in_production(cls, value: int, info: ValidationInfo) -> int:
        least = LEAST_LENGTH if info.field_name == "password_min_length" else LEAST_SCORE
        if info.data.get("app_env") is Environment.PRODUCTION and value < least:
            message = f"must be {least} or more in production (OWASP ASVS 5.0, 6.2)"
            raise ValueError(message)
        return value

    @field_validator("argon2_time_cost", "argon2_memory_kib", mode="before")
    @classmethod
    def _usual(cls, value: object, info: ValidationInfo) -> object:
        testing = info.data.get("app_env") is Environment.TESTING
        return (
            (TEST_COST if testing else DEFAULT_COST)[str(info.field_name)]
            if value is None
            else value
        )

    @field_validator("argon2_memory_kib")
    @classmethod
    def _min_memory(cls, value: int, info: ValidationInfo) -> int:
        passes = min(info.data.get("argon2_time_cost", 1), max(MIN_KIB))
        if info.data.get("app_env") is Environment.PRODUCTION and value < MIN_KIB[passes]:
            message = f"must be {MIN_KIB[passes]} or more with this ARGON2_TIME_COST (OWASP)"
            raise ValueError(message)
        return value


class WeakPassword(Unprocessable):
    """The password breaks one or more rules; `errors` lists all of them."""

    code = "weak_password"
    detail = "Choose another password. `errors` lists the rules that this one breaks."

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = sentences
        place = {"in": "body", "pointer": "#/password"}
        super().__init__(members={"errors": [{**place, "detail": each} for each in sentences]})


class Passwords:
    """Hashes and verifies passwords with Argon2id."""

    def __init__(self, settings: PasswordSettings) -> None:
        passes, memory = settings.argon2_time_cost, settings.argon2_memory_kib
        hasher = Argon2Hasher(time_cost=passes, memory_cost=memory, parallelism=1)
        self._hashes = PasswordHash((hasher,))
        self.min_length = settings.password_min_length
        self._min_score = settings.password_min_score
        names = {settings.service_name.casefold(), PROJECT_SLUG}
        self._names = {name for name in names if len(name) >= MIN_NAME_LENGTH}
        # A hash that no password matches. Verifying against it takes as long as against any other.
        salt, nothing = (_unpadded(secrets.token_bytes(size)) for size in (16, 32))
        self._unmatchable = f"$argon2id$v=19$m={memory},t={passes},p=1${salt}${nothing}"

    def check(self, password: str, email: str) -> None:
        """Check a new password against the rules.

        Raises:
            WeakPassword: with every rule that the password breaks.

        """
        # The length is checked before normalisation, as the API document describes it.
        valid_length = self.min_length <= len(password) <= MAX_LENGTH
        sentences = [] if valid_length else [wrong_length(self.min_length)]
        if self._min_score:
            sentences += self._problems(
                normalised(password).casefold(), email, valid_length=valid_length
            )
        if sentences:
            raise WeakPassword(sentences)

    def hash(self, password: str) -> str:
        """Return the hash to store."""
        return self._hashes.hash(normalised(password))

    def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Verify a password; return a new hash if the cost parameters have increased.

        Without a stored hash the password is wrong, and verifying it takes as long.
        """
        return self._hashes.verify_and_update(normalised(password), stored or self._unmatchable)

    def _problems(self, password: str, email: str, *, valid_length: bool) -> Iterator[str]:
        if len(set(password)) < MIN_DIFFERENT:
            yield f"Must have {MIN_DIFFERENT} different characters."
        if valid_length and _score(password) < self._min_score:
            yield "Must be harder to guess: it is a common password, a pattern, or little more."
        local, _, _ = email.partition("@")
        if email in password or (len(local) >= MIN_NAME_LENGTH and local in password):
            yield "Must not contain the email address."
        if any(name in password for name in self._names):
            yield "Must not contain the name of this service."


def wrong_length(min_length: int) -> str:
    """Return the sentence about a password of the wrong length."""
    return f"Must have {min_length} to {MAX_LENGTH} characters."


def _score(password: str) -> int:
    ends = {password[:ESTIMATED], password[-ESTIMATED:]}
    return max(int(zxcvbn(end)["score"]) for end in ends)


def normalised(password: str) -> str:
    """Return the NFKC form: keyboards encode a character differently (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


passwords = Extension[Passwords]("passwords")


def init_app(app: Flask, settings: PasswordSettings) -> None:
    """Set up password hashing."""
    passwords.set(app, Passwords(settings))


def _unpadded(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")
