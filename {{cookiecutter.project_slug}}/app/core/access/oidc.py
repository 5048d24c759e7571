"""Access tokens of an OpenID provider: whoever shows one that is meant for this service is known.

What a token says is mapped to what this service knows, its roles of `app.core.access.scopes`: a user needs
what OIDC_USER_REQUIRES lists (nothing, unless set), an administrator what OIDC_ADMIN_REQUIRES lists besides.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, cast
from uuid import NAMESPACE_URL, uuid5

from flask import Flask
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, Key
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry, Token
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from app.core.access import principals, scopes
from app.core.access.jwks import ALGORITHMS, Provider, reachable
from app.core.access.principals import InvalidToken, Principal
from app.core.access.scopes import Scopes
from app.core.config import CoreSettings, Environment, Names, required_in_production
from app.core.config.tls import CAFile

MAX_LENGTH = (
    8_192  # characters of a token that is worth looking at; Gunicorn takes no longer header
)
ACCESS_TOKENS = {"at+jwt", "application/at+jwt"}  # RFC 9068, section 4
ANY_TOKENS = {"jwt", "application/jwt", ""}  # of providers that do not tell access tokens apart
# Claims of ID tokens (OpenID Connect Core, sections 2 and 3.3.2.11) and logout tokens
# (Back-Channel Logout 1.0, section 2.4).
OF_OTHER_TOKENS = {"nonce", "at_hash", "c_hash", "s_hash", "events"}
# What a token that is not good brings about, in this module and in joserfc.
NO_GOOD = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
NEED = re.compile(r"scope:[\x21\x23-\x5b\x5d-\x7e]+|role:.+")  # RFC 6749, section 3.3


def _issuer(value: str | None, info: ValidationInfo) -> str | None:
    if required_in_production(value, info) is None:
        return None
    in_production = info.data.get("app_env") is Environment.PRODUCTION
    if (
        not reachable(str(value), securely=False)
        or set("?#") & set(str(value))
        or (in_production and not str(value).startswith("https:"))
    ):
        message = (
            "must be the provider's issuer exactly as its discovery document spells it, such as "
            "https://login.example/realms/shop; in production with https"
        )
        raise ValueError(message)
    return value


def _audience(value: str | None, info: ValidationInfo) -> str | None:
    if value is None and info.data.get("oidc_issuer"):
        message = "is needed with OIDC_ISSUER: without it tokens for any service would be believed"
        raise ValueError(message)
    return cast("str | None", required_in_production(value, info))


def _algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not set(value) <= ALGORITHMS:
        message = f"must be some of {', '.join(sorted(ALGORITHMS))}: only public keys are believed"
        raise ValueError(message)
    return value


class OidcSettings(CoreSettings):
    """What the service can be told about its OpenID provider."""

    oidc_issuer: Annotated[str | None, AfterValidator(_issuer)] = Field(
        default=None, validate_default=True
    )
    oidc_audience: Annotated[str | None, AfterValidator(_audience)] = Field(
        default=None, validate_default=True
    )
    """What this API is called at the provider; never a client's id, for that is in ID tokens."""
    oidc_algorithms: Annotated[Names, AfterValidator(_algorithms)] = (
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
        "Ed25519",
    )
    oidc_leeway_seconds: int = Field(default=30, ge=0, le=300)
    oidc_scope_claim: str = Field(default="scope", min_length=1)
    oidc_role_claim: str | None = None
    oidc_user_requires: Names = ()
    oidc_admin_requires: Names = ()
    oidc_ca_file: CAFile = None

    @field_validator("oidc_user_requires", "oidc_admin_requires")
    @classmethod
    def _needs(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not all(map(NEED.fullmatch, value)):
            message = "must be scope:<name> or role:<name>, separated by commas"
            raise ValueError(message)
        if not info.data.get("oidc_role_claim") and any(need.startswith("role:") for need in value):
            message = "needs a role, and OIDC_ROLE_CLAIM does not say which claim holds roles"
            raise ValueError(message)
        return value

    def warnings(self) -> list[str]:
        """Say that nobody can call this service."""
        found = super().warnings()
        if self.oidc_issuer is None:
            found.append("OIDC_ISSUER is not set: every access token is refused.")
        return found


class _Signatures(JWSRegistry):
    """What is checked of a token's header besides what `SignedTokens` looks at."""

    max_header_length = MAX_LENGTH  # some providers send certificates along; they are not looked at

    def get_alg(self, name: str) -> Any:  # noqa: ANN401  its type is not public
        """Return how to check a signature; EdDSA is the old name of Ed25519 (RFC 9864)."""
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


class SignedTokens:
    """Opens what one provider has signed."""

    def __init__(self, settings: OidcSettings, provider: Provider, kinds: Collection[str]) -> None:
        """Take how it may be signed, whose keys are believed, and what a header may call it."""
        self._provider = provider
        self._kinds = kinds
        self._registry = _Signatures(
            algorithms=settings.oidc_algorithms,
            strict_check_header=False,  # what is not known is ignored (RFC 7515, section 4)
        )

    def open(self, token: str) -> Token:
        """Return what a token says.

        Raises:
            NO_GOOD: when the provider did not sign it so.
            ProviderUnavailable: when its key is unknown, and the provider does not answer.

        """
        if len(token) > MAX_LENGTH:
            raise ValueError
        return jwt.decode(token, self._key, registry=self._registry)

    def _key(self, token: GuestProtocol) -> Key:
        """Return the provider's key that a token names, and never one that it brings along.

        Raises:
            KeyError: when there is none, or it is not for the token's algorithm.

        """
        header = token.headers()
        if _kind(header) not in self._kinds:
            raise KeyError
        found = self._provider.key(header["kid"])
        if header["alg"] not in found.algorithms:
            raise KeyError
        return found.key


class Principals:
    """Tells of whom a token speaks, and what they may do here."""

    def __init__(self, settings: OidcSettings, granted: Scopes) -> None:
        """Take whose subjects they are, how their claims are read, and what roles may do."""
        self._of_role = granted.of_role
        self._ids = uuid5(NAMESPACE_URL, str(settings.oidc_issuer))
        self._scope_path = _path(settings.oidc_scope_claim)
        self._role_path = _path(settings.oidc_role_claim or "")
        self._user_needs = frozenset(settings.oidc_user_requires)
        self._admin_needs = frozenset(settings.oidc_admin_requires)

    def of(self, claims: Mapping[str, Any]) -> Principal:
        """Return whom these claims speak for.

        The id of a caller comes of issuer and subject, so that rows have one type of owner
        whoever tells who people are. Subjects differ by case (OpenID Connect Core, section 2), and
        text in MySQL would not.
        """
        return Principal(uuid5(self._ids, claims["sub"]), self._scopes(claims))

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return what a caller may do here."""
        listed, roles = _at(claims, self._scope_path), _at(claims, self._role_path)
        # RFC 6749, section 3.3: scopes in a text are separated by spaces; a role may contain them.
        said = {f"scope:{scope}" for scope in _texts(listed, separator=" ")}
        said |= {f"role:{role}" for role in _texts(roles)}
        if not self._user_needs <= said:
            return frozenset()
        if self._admin_needs and self._admin_needs <= said:
            return self._of_role("admin")
        return self._of_role("user")


class Verifier:
    """Checks access tokens of one provider."""

    def __init__(self, settings: OidcSettings, provider: Provider, granted: Scopes) -> None:
        """Take what a token has to say, whose keys are believed, and what roles may do."""
        self._tokens = SignedTokens(settings, provider, ACCESS_TOKENS | ANY_TOKENS)
        self._principals = Principals(settings, granted)
        self._claims = JWTClaimsRegistry(
            leeway=settings.oidc_leeway_seconds,
            iss={"essential": True, "value": str(settings.oidc_issuer)},
            aud={"essential": True, "value": str(settings.oidc_audience)},
            exp={"essential": True},
            sub={"essential": True},
        )

    def verify(self, token: str) -> Principal:
        """Return whom a token speaks for.

        Raises:
            InvalidToken: for any token that is not good here and now.
            ProviderUnavailable: when its key is unknown, and the provider does not answer.

        """
        try:
            found = self._tokens.open(token)
            self._claims.validate(found.claims)
            _refuse_other_tokens(found.header, found.claims)
            return self._principals.of(found.claims)
        except NO_GOOD:
            raise InvalidToken from None


def _kind(header: Mapping[str, Any]) -> str:
    # A media type, so compared without case (RFC 7515, section 4.1.9).
    return cast("str", header.get("typ", "")).lower()


def _refuse_other_tokens(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    """Refuse what the provider signed for another use.

    An ID token tells a client who has logged in, and lets nobody in. Its audience is that client,
    so the audience keeps it out; where the header does not say what a token is, so do the claims
    that only other tokens have, and what Keycloak writes into the claim `typ`. The claim `azp` says
    nothing: several providers put it into both.

    Raises:
        KeyError: when it is no access token, or is bound to a key (RFC 7800) that nobody here asks
            for, so that whoever stole it would be let in.

    """
    typed = _kind(header) in ACCESS_TOKENS
    other = bool(OF_OTHER_TOKENS & claims.keys()) or claims.get("typ", "Bearer") != "Bearer"
    if (other and not typed) or "cnf" in claims:
        raise KeyError


def _path(claim: str) -> tuple[str, ...]:
    """Return the names that lead to a claim; one that is a URL (RFC 7519, section 4.2) is whole."""
    return (claim,) if ":" in claim else tuple(claim.split("."))


def _at(claims: Mapping[str, Any], path: Iterable[str]) -> object:
    found: object = claims
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _texts(value: object, separator: str | None = None) -> list[str]:
    """Return the words of a claim: a list's texts as they are, or those in one text."""
    if isinstance(value, str):
        return value.split(separator) if separator else [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def init_app(app: Flask, settings: OidcSettings) -> None:
    """Let in whoever shows a token of the provider; nobody, in development without one.

    There is no readiness probe for the provider. Keys that are known last for hours without it, and
    to take every process out of service would help nobody, and stop what needs no token as well.
    """
    if settings.oidc_issuer is None:
        principals.init_app(app, _refuse)
        return
    provider = Provider(
        settings.oidc_issuer,
        settings.oidc_algorithms,
        ca_file=settings.oidc_ca_file,
        securely=settings.in_production,
    )
    principals.init_app(app, Verifier(settings, provider, scopes.of(app)).verify)
    # {% if cookiecutter.web_ui %}
    app.extensions["openid_provider"] = provider
    # {% endif %}


def _refuse(token: str) -> Principal:
    del token
    raise InvalidToken
