"""Access tokens of this service's own: signed, short-lived, and checked without a query.

They are JSON web tokens as RFC 9068 profiles them. Keys are a JSON Web Key Set (RFC 7517): the first
one signs, every one is believed. So a key is changed without ending a login: put the new one in
front, and take the old one away when the last token it signed has expired.
"""

import base64
import json
import secrets
import time
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import click
from flask import Flask
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol, Key, KeySet, OctKey, OKPKey, RSAKey
from joserfc.jwt import JWTClaimsRegistry
from pydantic import Field, SecretStr, ValidationInfo, field_validator

from app.core.access import principals
from app.core.access.principals import Caller, InvalidToken
from app.core.config import NAME, CoreSettings, Environment, required_in_production
from app.core.config.secret_strength import is_guessable

KIND = "at+jwt"  # RFC 9068, so that no other token of ours is taken for an access token
LEEWAY = 5  # seconds that the clocks of two of our machines may differ
LONGEST = 4_096  # characters of a token that is worth looking at
SHORTEST_SECRET = 32  # bytes (RFC 7518, section 3.2)
SHORTEST_RSA = 2_048  # bits (RFC 7518, section 3.3)
FIT = (
    f"oct of {SHORTEST_SECRET} bytes or more, OKP Ed25519, EC P-256 or RSA of {SHORTEST_RSA} bits "
    "or more"
)
MAKE_ONE = "make one with: flask --app app new-jwt-keys"
ADVICE = f"must be a JSON Web Key Set; {MAKE_ONE}"
DEVELOPMENT_KEYS = (
    '{"keys": [{"kty": "oct", "kid": "development",'
    ' "k": "ZGV2ZWxvcG1lbnQtb25seS1yZWZ1c2VkLWluLXByb2R1Y3Rpb24"}]}'
)


class TokenSettings(CoreSettings):
    """Access tokens."""

    jwt_keys: SecretStr = Field(default=SecretStr(""), validate_default=True)
    """The keys of access tokens, a JSON Web Key Set: the first key signs, all verify; make one with
    `flask --app app new-jwt-keys`."""
    jwt_issuer: str = Field(default=NAME, min_length=1)
    """The issuer of access tokens (`iss`)."""
    jwt_audience: str = Field(default=NAME, min_length=1)
    """The audience of access tokens (`aud`)."""
    access_token_seconds: int = Field(default=600, ge=30, le=3_600)
    """The lifetime of an access token, in seconds; it cannot be revoked earlier."""

    @field_validator("jwt_keys")
    @classmethod
    def _usable(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if not value.get_secret_value():
            required_in_production(None, info)
            return SecretStr(DEVELOPMENT_KEYS)
        keys = read_keys(value.get_secret_value())
        production = info.data.get("app_env") is Environment.PRODUCTION
        if production and any(map(is_guessable, filter(None, map(_secret, keys)))):
            message = f"holds a key that can be guessed; {MAKE_ONE}"
            raise ValueError(message)
        return value


def read_keys(text: str) -> list[Key]:
    """Read a JSON Web Key Set.

    Raises:
        ValueError: with what makes a key unfit, and never with a part of it.

    """
    try:
        described = json.loads(text)
        keys = KeySet.import_key_set(described).keys
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(ADVICE) from None
    # joserfc leaves out a key of a kind that it does not know.
    if len(keys) < len(described["keys"]) or not all(map(algorithm, keys)):
        message = f"holds an unfit key: each must be {FIT}"
        raise ValueError(message)
    if len({key.kid for key in keys}) < len(keys):
        message = "holds two keys with one kid"
        raise ValueError(message)
    if not (isinstance(keys[0], OctKey) or keys[0].is_private):
        message = "begins with a public key, and the first one has to sign"
        raise ValueError(message)
    return keys


def _secret(key: Key) -> bytes:
    """Return the bytes of a key that nobody else may know (RFC 7518, section 6); a public one has none."""
    members = key.as_dict(private=key.is_private)
    encoded = str(members.get("k") or members.get("d") or "")
    return base64.urlsafe_b64decode(encoded + "==")


def algorithm(key: Key) -> str | None:
    """Return the one algorithm that a key is used with (RFC 8725, section 3.1), if it is fit."""
    match key:
        case OctKey() if len(key.raw_value) >= SHORTEST_SECRET:
            return "HS256"
        case OKPKey() if key.curve_name == "Ed25519":
            return "Ed25519"
        case ECKey() if key.curve_name == "P-256":
            return "ES256"
        case RSAKey() if key.raw_value.key_size >= SHORTEST_RSA:
            return "PS256"
        case _:
            return None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token, and for how many seconds it is good."""

    value: str
    seconds: int


class Tokens:
    """Issues access tokens and checks them."""

    def __init__(self, settings: TokenSettings) -> None:
        """Take the keys, and what the tokens say about who issued them for whom."""
        keys = read_keys(settings.jwt_keys.get_secret_value())
        self._keys = {str(key.kid): (key, str(algorithm(key))) for key in keys}
        self._algorithms = {signed_with for _, signed_with in self._keys.values()}
        self._signing = keys[0]
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._seconds = settings.access_token_seconds
        self._claims = JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            nbf={"essential": True},
            iat={"essential": True},
            jti={"essential": True},
            sub={"essential": True},
        )

    def issue(self, caller: Caller) -> IssuedToken:
        """Return a token that speaks for a caller."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(caller.id),
            "iat": now,
            "nbf": now,
            "exp": now + self._seconds,
            "jti": secrets.token_urlsafe(16),
            "scope": " ".join(sorted(caller.scopes)),
        }
        if caller.session:
            claims["sid"] = str(caller.session)
        kid = str(self._signing.kid)
        _, signed_with = self._keys[kid]
        header = {"alg": signed_with, "kid": kid, "typ": KIND}
        value = jwt.encode(header, claims, self._signing, algorithms=[signed_with])
        return IssuedToken(value, self._seconds)

    def verify(self, token: str) -> Caller:
        """Return whom a token speaks for.

        Raises:
            InvalidToken: for any token that this service would not issue now.

        """
        if len(token) > LONGEST:
            raise InvalidToken
        try:
            found = jwt.decode(token, self._key, algorithms=self._algorithms)
            self._claims.validate(found.claims)
            session = found.claims.get("sid")
            return Caller(
                id=UUID(found.claims["sub"]),
                scopes=frozenset(found.claims["scope"].split()),
                session=UUID(session) if session else None,
            )
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            raise InvalidToken from None

    def _key(self, token: GuestProtocol) -> Key:
        """Return the key that a token names; the key says how it signs, never the token.

        Raises:
            KeyError: when the token names no key of ours, another algorithm (RFC 8725, section
                3.1) or another kind of token (section 3.11).

        """
        header = token.headers()
        key, signed_with = self._keys[header["kid"]]
        if (header["alg"], header.get("typ")) != (signed_with, KIND):
            raise KeyError
        return key


def of(app: Flask) -> Tokens:
    """Return the issuer of this application's tokens."""
    return cast("Tokens", app.extensions["tokens"])


def init_app(app: Flask, settings: TokenSettings) -> None:
    """Let in whoever shows a token of this service."""
    app.extensions["tokens"] = issuer = Tokens(settings)
    principals.init_app(app, issuer.verify)
    app.cli.add_command(new_keys)


@click.command("new-jwt-keys")
def new_keys() -> None:
    """Print a new key set for JWT_KEYS; to change keys, put its key in front of the old one."""
    key = OctKey.generate_key(256, {"kid": secrets.token_hex(4)})
    click.echo(json.dumps({"keys": [key.as_dict()]}))
