"""Access tokens that an OpenID provider issues for this service.

The scopes and roles in a token are mapped to the roles of `app.core.access.scopes`: a user
needs everything in OIDC_USER_REQUIRES (by default nothing), an administrator also everything in
OIDC_ADMIN_REQUIRES.
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

from app.core.access import principals
from app.core.access.jwks import ALGORITHMS, ProviderClient, is_fetchable
from app.core.access.principals import InvalidToken, Principal
from app.core.access.scopes import Scopes, scopes
from app.core.config import CoreSettings, Environment, Names, required_in_production
from app.core.config.tls import CAFile
from app.core.extension import Extension

MAX_LENGTH = 8_192  # characters of a token; Gunicorn accepts no longer header
ACCESS_TOKENS = {"at+jwt", "application/at+jwt"}  # RFC 9068, section 4
ANY_TOKENS = {"jwt", "application/jwt", ""}  # of providers that do not mark access tokens
# Claims of ID tokens (OpenID Connect Core, sections 2 and 3.3.2.11) and logout tokens
# (Back-Channel Logout 1.0, section 2.4).
OTHER_TOKEN_CLAIMS = {"nonce", "at_hash", "c_hash", "s_hash", "events"}
# The exceptions that an invalid token causes, in this module and in joserfc.
INVALID_TOKEN_ERRORS = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
NEED = re.compile(r"scope:[\x21\x23-\x5b\x5d-\x7e]+|role:.+")  # RFC 6749, section 3.3
ROLE_NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)


def _issuer(value: str | None, info: ValidationInfo) -> str | None:
    if required_in_production(value, info) is None:
        return None
    in_production = info.data.get("app_env") is Environment.PRODUCTION
    if (
        not is_fetchable(str(value), require_https=False)
        or set("?#") & set(str(value))
        or (in_production and not str(value).startswith("https:"))
    ):
        message = (
            "must be the provider's issuer exactly as in its discovery document, such as "
            "https://login.example/realms/shop; production requires https"
        )
        raise ValueError(message)
    return value


def _audience(value: str | None, info: ValidationInfo) -> str | None:
    if value is None and info.data.get("oidc_issuer"):
        message = "is required with OIDC_ISSUER: without it, tokens for any service are accepted"
        raise ValueError(message)
    return cast("str | None", required_in_production(value, info))


def _algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not set(value) <= ALGORITHMS:
        message = f"must be from {', '.join(sorted(ALGORITHMS))}: only public keys are accepted"
        raise ValueError(message)
    return value


class OidcSettings(CoreSettings):
    """OpenID provider."""

    oidc_issuer: Annotated[str | None, AfterValidator(_issuer)] = Field(
        default=None, validate_default=True
    )
    """The issuer URL of the OpenID provider, exactly as in its discovery document; unset in
    development: every token is rejected."""
    oidc_audience: Annotated[str | None, AfterValidator(_audience)] = Field(
        default=None, validate_default=True
    )
    """The identifier of this API at the provider; it must not be a client id, because ID tokens
    contain those."""
    oidc_algorithms: Annotated[Names, AfterValidator(_algorithms)] = (
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
        "Ed25519",
    )
    """The accepted signature algorithms of tokens, separated by commas."""
    oidc_leeway_seconds: int = Field(default=30, ge=0, le=300)
    """The accepted clock difference to the provider, in seconds."""
    oidc_scope_claim: str = Field(default="scope", min_length=1)
    """The claim that holds the scopes of a token; a dot leads into an object, as in
    realm_access.roles."""
    oidc_role_claim: str | None = None
    """The claim that holds the roles of a token, written like OIDC_SCOPE_CLAIM."""
    oidc_user_requires: Names = ()
    """What the token of a user must have: scope:<name> or role:<name>, separated by commas; empty:
    nothing."""
    oidc_admin_requires: Names = ()
    """What the token of an administrator must have in addition, written like OIDC_USER_REQUIRES;
    empty: there are no administrators."""
    oidc_further_roles: Names = ()
    """What the token of a further role must have in addition to OIDC_USER_REQUIRES, such as
    editor=role:editors, separated by commas; empty: there are the roles user and admin only."""
    oidc_ca_file: CAFile = None
    """A file of the certificate authorities for the provider, in PEM; unset: those of the system.
    """

    @field_validator("oidc_user_requires", "oidc_admin_requires")
    @classmethod
    def _needs(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not all(map(NEED.fullmatch, value)):
            message = "must be scope:<name> or role:<name>, separated by commas"
            raise ValueError(message)
        if not info.data.get("oidc_role_claim") and any(need.startswith("role:") for need in value):
            message = (
                "contains a role, which requires OIDC_ROLE_CLAIM, the claim that contains roles"
            )
            raise ValueError(message)
        return value

    @field_validator("oidc_further_roles")
    @classmethod
    def _further(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        pairs = [entry.partition("=") for entry in value]
        if not all(ROLE_NAME.fullmatch(name) and equals for name, equals, _ in pairs):
            message = "must be <role>=scope:<name> or <role>=role:<name>, separated by commas"
            raise ValueError(message)
        cls._needs(tuple(need for _, _, need in pairs), info)
        return value

    def warnings(self) -> list[str]:
        """Return the warnings, with one if every access token is refused."""
        found = super().warnings()
        if self.oidc_issuer is None:
            found.append("OIDC_ISSUER is not set: every access token is refused.")
        return found


class _Signatures(JWSRegistry):
    """The checks of a token's header, in addition to those of `SignedTokens`."""

    max_header_length = MAX_LENGTH  # some providers include certificates, which are ignored

    def get_alg(self, name: str) -> Any:  # noqa: ANN401  its type is not public
        """Return the signature algorithm; EdDSA is the old name of Ed25519 (RFC 9864)."""
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


class SignedTokens:
    """Verifies the signatures of one provider's tokens.

    `kinds` are the values that a token's header may have as `typ`, in lower case.
    """

    def __init__(
        self, settings: OidcSettings, provider: ProviderClient, kinds: Collection[str]
    ) -> None:
        self._provider = provider
        self._kinds = kinds
        self._registry = _Signatures(
            algorithms=settings.oidc_algorithms,
            strict_check_header=False,  # unknown parameters are ignored (RFC 7515, section 4)
        )

    def open(self, token: str) -> Token:
        """Verify a token's signature, and return its header and claims.

        Raises:
            INVALID_TOKEN_ERRORS: when the token has no valid signature of the provider.
            ProviderUnavailable: when its key is unknown and the provider is unavailable.

        """
        if len(token) > MAX_LENGTH:
            raise ValueError
        return jwt.decode(token, self._key, registry=self._registry)

    def _key(self, token: GuestProtocol) -> Key:
        """Return the provider's key that a token names, never a key contained in the token.

        Raises:
            KeyError: when there is no such key, or it is not for the token's algorithm.

        """
        header = token.headers()
        if _kind(header) not in self._kinds:
            raise KeyError
        found = self._provider.key(header["kid"])
        if header["alg"] not in found.algorithms:
            raise KeyError
        return found.key


class ClaimsMapper:
    """Maps the claims of a token to a principal."""

    def __init__(self, settings: OidcSettings, granted: Scopes) -> None:
        self._of_role = granted.of_role
        self._ids = uuid5(NAMESPACE_URL, str(settings.oidc_issuer))
        self._scope_path = _path(settings.oidc_scope_claim)
        self._role_path = _path(settings.oidc_role_claim or "")
        self._user_needs = frozenset(settings.oidc_user_requires)
        self._admin_needs = frozenset(settings.oidc_admin_requires)
        pairs = [entry.partition("=") for entry in settings.oidc_further_roles]
        self._further = [(role, need) for role, _, need in pairs]
        for role, _ in self._further:
            granted.of_role(role)  # a misspelt role stops the start

    def of(self, claims: Mapping[str, Any]) -> Principal:
        """Return the principal of these claims.

        Its id is derived from the issuer and the subject, so that the owner of a row has one
        type for every provider. Subjects are case-sensitive (OpenID Connect Core, section 2), which
        text in MySQL is not.
        """
        return Principal(uuid5(self._ids, claims["sub"]), self._scopes(claims))

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return the scopes of the principal in this service."""
        listed, assigned = _at(claims, self._scope_path), _at(claims, self._role_path)
        # Scopes in a text are separated by spaces (RFC 6749, section 3.3); a role may contain them.
        claimed = {f"scope:{scope}" for scope in _texts(listed, separator=" ")}
        claimed |= {f"role:{role}" for role in _texts(assigned)}
        if not self._user_needs <= claimed:
            return frozenset()
        administrates = self._admin_needs and self._admin_needs <= claimed
        roles = ["admin" if administrates else "user"]
        roles += [role for role, need in self._further if need in claimed]
        return frozenset[str]().union(*map(self._of_role, roles))


class Verifier:
    """Verifies the access tokens of one provider."""

    def __init__(self, settings: OidcSettings, provider: ProviderClient, granted: Scopes) -> None:
        self._tokens = SignedTokens(settings, provider, ACCESS_TOKENS | ANY_TOKENS)
        self._claims_mapper = ClaimsMapper(settings, granted)
        self._claims = JWTClaimsRegistry(
            leeway=settings.oidc_leeway_seconds,
            iss={"essential": True, "value": str(settings.oidc_issuer)},
            aud={"essential": True, "value": str(settings.oidc_audience)},
            exp={"essential": True},
            sub={"essential": True},
        )

    def verify(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises:
            InvalidToken: for any token that is not valid for this service now.
            ProviderUnavailable: when its key is unknown and the provider is unavailable.

        """
        try:
            found = self._tokens.open(token)
            self._claims.validate(found.claims)
            _refuse_other_tokens(found.header, found.claims)
            return self._claims_mapper.of(found.claims)
        except INVALID_TOKEN_ERRORS:
            raise InvalidToken from None


def _kind(header: Mapping[str, Any]) -> str:
    # A media type, so the comparison ignores case (RFC 7515, section 4.1.9).
    return cast("str", header.get("typ", "")).lower()


def _refuse_other_tokens(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    """Refuse tokens that the provider signed for another use.

    An ID token identifies a user to a client, and grants no access. Its audience is that client, so
    the check of the audience refuses it. Where the header does not state the type, claims that only
    other tokens have and Keycloak's claim `typ` are checked as well. The claim `azp` distinguishes
    nothing: several providers put it into both.

    Raises:
        KeyError: when it is not an access token, or is bound to a key (RFC 7800): this service does
            not check the possession of that key, so a stolen token would be accepted.

    """
    typed = _kind(header) in ACCESS_TOKENS
    other = bool(OTHER_TOKEN_CLAIMS & claims.keys()) or claims.get("typ", "Bearer") != "Bearer"
    if (other and not typed) or "cnf" in claims:
        raise KeyError


def _path(claim: str) -> tuple[str, ...]:
    """Return the path to a claim; a name that is a URL (RFC 7519, section 4.2) is not split."""
    return (claim,) if ":" in claim else tuple(claim.split("."))


def _at(claims: Mapping[str, Any], path: Iterable[str]) -> object:
    found: object = claims
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _texts(value: object, separator: str | None = None) -> list[str]:
    """Return the texts in a claim: those of a list, or the parts of a single text."""
    if isinstance(value, str):
        return value.split(separator) if separator else [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


openid_provider = Extension[ProviderClient]("openid_provider")


def init_app(app: Flask, settings: OidcSettings) -> None:
    """Accept access tokens of the provider; without one, in development, refuse every token.

    There is no readiness probe for the provider: cached keys last for hours without it, and taking
    every process out of service would also stop requests that need no token.
    """
    if settings.oidc_issuer is None:
        principals.init_app(app, _refuse)
        return
    provider = ProviderClient(
        settings.oidc_issuer,
        settings.oidc_algorithms,
        ca_file=settings.oidc_ca_file,
        require_https=settings.in_production,
    )
    openid_provider.set(app, provider)
    principals.init_app(app, Verifier(settings, provider, scopes.of(app)).verify)


def _refuse(token: str) -> Principal:
    del token
    raise InvalidToken
