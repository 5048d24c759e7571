"""Access tokens that this service issues: signed, short-lived, and verified without a query.

They are JSON Web Tokens in the profile of RFC 9068. The keys are a JSON Web Key Set (RFC 7517): the
first key signs, and all keys verify. To rotate keys without ending logins, put the new key first,
and remove the old one when the last token that it signed has expired.
"""

import base64
import json
import secrets
import time
from dataclasses import dataclass
from uuid import UUID

import click
from flask import Flask
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol, Key, KeySet, OctKey, OKPKey, RSAKey
from joserfc.jwt import JWTClaimsRegistry
from pydantic import Field, SecretStr, ValidationInfo, field_validator

from app.core.access import principals
from app.core.access.principals import InvalidToken, Principal
from app.core.config import PROJECT_SLUG, CoreSettings, Environment, required_in_production
from app.core.config.secret_strength import is_guessable
from app.core.extension import Extension

JWT_TYPE = "at+jwt"  # RFC 9068, so that no other token of ours is accepted as an access token
LEEWAY = 5  # seconds of clock skew between our machines
MAX_LENGTH = 4_096  # characters of a token; longer ones are refused unread
MIN_SECRET_LENGTH = 32  # bytes (RFC 7518, section 3.2)
MIN_RSA_BITS = 2_048  # bits (RFC 7518, section 3.3)
ACCEPTED_KEYS = (
    f"oct of {MIN_SECRET_LENGTH} bytes or more, OKP Ed25519, EC P-256 or RSA of {MIN_RSA_BITS} bits "
    "or more"
)
HOW_TO_GENERATE = "make one with: flask --app app new-jwt-keys"
ADVICE = f"must be a JSON Web Key Set; {HOW_TO_GENERATE}"
DEVELOPMENT_KEYS = (
    '{"keys": [{"kty": "oct", "kid": "development",'
    ' "k": "ZGV2ZWxvcG1lbnQtb25seS1yZWZ1c2VkLWluLXByb2R1Y3Rpb24"}]}'
)


class TokenSettings(CoreSettings):
    """Access tokens."""

    jwt_keys: SecretStr = Field(default=SecretStr(""), validate_default=True)
    """The keys of access tokens, a JSON Web Key Set: the first key signs, all verify; make one with
    `flask --app app new-jwt-keys`."""
    jwt_issuer: str = Field(default=PROJECT_SLUG, min_length=1)
    """The issuer of access tokens (`iss`)."""
    jwt_audience: str = Field(default=PROJECT_SLUG, min_length=1)
    """The audience of access tokens (`aud`)."""
    access_token_ttl_seconds: int = Field(default=600, ge=30, le=3_600)
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
            message = f"contains a key that can be guessed; {HOW_TO_GENERATE}"
            raise ValueError(message)
        return value


def read_keys(text: str) -> list[Key]:
    """Read a JSON Web Key Set.

    Raises:
        ValueError: states why a key cannot be used, without quoting it.

    """
    try:
        described = json.loads(text)
        keys = KeySet.import_key_set(described).keys
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(ADVICE) from None
    # joserfc skips keys of an unknown type.
    if len(keys) < len(described["keys"]) or not all(map(algorithm, keys)):
        message = f"contains an unsuitable key: each must be {ACCEPTED_KEYS}"
        raise ValueError(message)
    if len({key.kid for key in keys}) < len(keys):
        message = "contains two keys with the same kid"
        raise ValueError(message)
    if not (isinstance(keys[0], OctKey) or keys[0].is_private):
        message = "begins with a public key; the first key must be able to sign"
        raise ValueError(message)
    return keys


def _secret(key: Key) -> bytes:
    """Return the secret bytes of a key (RFC 7518, section 6); empty for a public key."""
    members = key.as_dict(private=key.is_private)
    encoded = str(members.get("k") or members.get("d") or "")
    return base64.urlsafe_b64decode(encoded + "==")


def algorithm(key: Key) -> str | None:
    """Return the only algorithm for a key (RFC 8725, section 3.1); None if the key is unusable."""
    match key:
        case OctKey() if len(key.raw_value) >= MIN_SECRET_LENGTH:
            return "HS256"
        case OKPKey() if key.curve_name == "Ed25519":
            return "Ed25519"
        case ECKey() if key.curve_name == "P-256":
            return "ES256"
        case RSAKey() if key.raw_value.key_size >= MIN_RSA_BITS:
            return "PS256"
        case _:
            return None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token, and its lifetime in seconds."""

    value: str
    ttl_seconds: int


class Tokens:
    """Issues and verifies access tokens."""

    def __init__(self, settings: TokenSettings) -> None:
        keys = read_keys(settings.jwt_keys.get_secret_value())
        self._keys = {str(key.kid): (key, str(algorithm(key))) for key in keys}
        self._algorithms = {signed_with for _, signed_with in self._keys.values()}
        self._signing = keys[0]
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._ttl_seconds = settings.access_token_ttl_seconds
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

    def issue(self, principal: Principal) -> IssuedToken:
        """Return a new token for a principal."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(principal.id),
            "iat": now,
            "nbf": now,
            "exp": now + self._ttl_seconds,
            "jti": secrets.token_urlsafe(16),
            "scope": " ".join(sorted(principal.scopes)),
        }
        if principal.session:
            claims["sid"] = str(principal.session)
        kid = str(self._signing.kid)
        _, signed_with = self._keys[kid]
        header = {"alg": signed_with, "kid": kid, "typ": JWT_TYPE}
        value = jwt.encode(header, claims, self._signing, algorithms=[signed_with])
        return IssuedToken(value, self._ttl_seconds)

    def verify(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises:
            InvalidToken: for any token that is not valid now.

        """
        if len(token) > MAX_LENGTH:
            raise InvalidToken
        try:
            found = jwt.decode(token, self._key, algorithms=self._algorithms)
            self._claims.validate(found.claims)
            session = found.claims.get("sid")
            return Principal(
                id=UUID(found.claims["sub"]),
                scopes=frozenset(found.claims["scope"].split()),
                session=UUID(session) if session else None,
            )
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            raise InvalidToken from None

    def _key(self, token: GuestProtocol) -> Key:
        """Return the key that a token names; the key determines the algorithm, never the token.

        Raises:
            KeyError: when the token names an unknown key, another algorithm (RFC 8725, section
                3.1) or another type of token (section 3.11).

        """
        header = token.headers()
        key, signed_with = self._keys[header["kid"]]
        if (header["alg"], header.get("typ")) != (signed_with, JWT_TYPE):
            raise KeyError
        return key


tokens = Extension[Tokens]("tokens")


def init_app(app: Flask, settings: TokenSettings) -> None:
    """Accept access tokens of this service, and add the command that creates keys."""
    principals.init_app(app, tokens.set(app, Tokens(settings)).verify)
    app.cli.add_command(new_keys)


@click.command("new-jwt-keys")
def new_keys() -> None:
    """Print a new key set for JWT_KEYS; to rotate keys, put its key before the old one."""
    key = OctKey.generate_key(256, {"kid": secrets.token_hex(4)})
    click.echo(json.dumps({"keys": [key.as_dict()]}))
