"""Login at the OpenID provider, by the authorization code flow (OpenID Connect Core, 3.1).

The provider redirects the browser back with a code. The state proves that this browser started the
login. The verifier (PKCE, RFC 7636) and the client secret prove that the code is redeemed by the
client it was issued to. The nonce proves that the ID token belongs to this authorization request.
"""

import hmac
import logging
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256, sha384, sha512
from typing import Annotated, Any
from urllib.parse import quote_plus, urlencode

import requests
from flask import Flask, current_app
from joserfc.jwt import JWTClaimsRegistry
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from app.core import telemetry
from app.core.access import auth_log
from app.core.access.jwks import ProviderClient, ProviderUnavailable, is_fetchable
from app.core.access.oidc import (
    ANY_TOKENS,
    INVALID_TOKEN_ERRORS,
    ClaimsMapper,
    OidcSettings,
    SignedTokens,
    openid_provider,
)
from app.core.access.principals import Principal
from app.core.access.scopes import Scopes, scopes
from app.core.config import required_in_production
from app.core.config.public_url import PublicURLSettings
from app.core.errors import Problem, Unavailable
from app.core.extension import Extension

logger = logging.getLogger(__name__)

CALLBACK = "/login/callback"
LOGGED_OUT = "/logged-out"
NAMES = ("preferred_username", "email", "sub")  # claims for the name to show, in this order
MAX_NAME_LENGTH = 100
# The hash in `at_hash`, by the end of the ID token's algorithm (OpenID Connect Core, 3.1.3.6).
HASHES = {"256": sha256, "384": sha384, "512": sha512, "EdDSA": sha512, "Ed25519": sha512}


def _client_id(value: str | None, info: ValidationInfo) -> str | None:
    if required_in_production(value, info) is None:
        return None
    if info.data.get("oidc_issuer", value) is None:
        message = "requires OIDC_ISSUER"
        raise ValueError(message)
    if value == info.data.get("oidc_audience"):
        message = "must differ from OIDC_AUDIENCE: ID tokens would be accepted as access tokens"
        raise ValueError(message)
    return value


def _scopes(value: str) -> str:
    if "openid" not in value.split():
        message = "must contain openid: without it, the provider sends no ID token"
        raise ValueError(message)
    return value


class ClientSettings(OidcSettings, PublicURLSettings):
    """Login at the OpenID provider."""

    oidc_client_id: Annotated[str | None, AfterValidator(_client_id)] = Field(
        default=None, validate_default=True
    )
    """The client id of this service at the provider; unset in development: login is unavailable."""
    # A server can keep a secret, so in production it has to (RFC 9700, section 2.5).
    oidc_client_secret: Annotated[SecretStr | None, AfterValidator(required_in_production)] = Field(
        default=None, validate_default=True
    )
    """The client secret of this service at the provider."""
    oidc_client_scopes: Annotated[str, AfterValidator(_scopes)] = "openid profile email"
    """The scopes that a login requests, separated by spaces."""

    def warnings(self) -> list[str]:
        """Return the warnings, with one if login is unavailable."""
        found = super().warnings()
        if self.oidc_client_id is None:
            found.append("OIDC_CLIENT_ID is not set: login is unavailable.")
        return found


class LoginUnavailable(Unavailable):
    """In development, OIDC_CLIENT_ID is not set."""

    code = "login_unavailable"
    in_api = False
    detail = "Login is not configured. The service's log names the missing settings."


class LoginFailed(Problem):
    """The provider denied the login, or the callback does not belong to this browser's request."""

    status = 400
    code = "login_failed"
    in_api = False
    detail = "The login failed. Go to the start page and try again."


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """The random values of an authorization request, which the response is checked against."""

    state: str
    nonce: str
    verifier: str


class OIDCLogin:
    """Sends users to the provider to log in, and verifies who they are."""

    def __init__(self, settings: ClientSettings, provider: ProviderClient, granted: Scopes) -> None:
        self._provider = provider
        self._issuer = str(settings.oidc_issuer)
        self._client = str(settings.oidc_client_id)
        self._secret = settings.oidc_client_secret
        self._scopes = settings.oidc_client_scopes
        self._public_url = settings.public_url
        self._leeway = settings.oidc_leeway_seconds
        self._require_https = settings.in_production
        self._tokens = SignedTokens(settings, provider, ANY_TOKENS)
        self._claims_mapper = ClaimsMapper(settings, granted)

    def start(self) -> tuple[str, AuthorizationRequest]:
        """Return the URL to redirect the browser to, and the request to store in its session.

        Raises:
            ProviderUnavailable: when the provider's authorization endpoint is not known.

        """
        authorization = AuthorizationRequest(*(secrets.token_urlsafe(32) for _ in range(3)))
        parameters = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": f"{self._public_url}{CALLBACK}",
            "scope": self._scopes,
            "state": authorization.state,
            "nonce": authorization.nonce,
            "code_challenge": _encoded(sha256(authorization.verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        return _with_query(self._endpoint("authorization_endpoint"), parameters), authorization

    def finish(
        self, request: AuthorizationRequest, parameters: Mapping[str, str]
    ) -> tuple[Principal, str]:
        """Return the principal and its name, from the parameters of the callback.

        Raises:
            LoginFailed: when the provider denied the login, or the response is not to this request.
            ProviderUnavailable: when the provider does not issue a token.

        """
        # The issuer prevents mix-up attacks, which pass one provider's code to another (RFC 9207).
        named = self._provider.metadata().get("authorization_response_iss_parameter_supported")
        if parameters.get("iss", "" if named is True else self._issuer) != self._issuer:
            raise LoginFailed
        if "error" in parameters or not parameters.get("code"):
            raise LoginFailed
        return self.identify(self._redeem(parameters["code"], request.verifier), request.nonce)

    def identify(self, token_response: Mapping[str, Any], nonce: str) -> tuple[Principal, str]:
        """Return the principal and its name, from the token response.

        Raises:
            LoginFailed: when the ID token is invalid or has another nonce.
            ProviderUnavailable: when its key is unknown and the provider is unavailable.

        """
        try:
            claims = self._claims(token_response, nonce)
            principal = self._claims_mapper.of(claims)
            auth_log.bind(str(principal.id), **{telemetry.SUBJECT: claims["sub"]})
            return principal, _name(claims)
        except INVALID_TOKEN_ERRORS as error:
            fields = {telemetry.ERROR_TYPE: type(error).__name__}
            logger.warning("ID token rejected", extra=fields)
            raise LoginFailed from None

    def logout_url(self) -> str | None:
        """Return the URL to log out at the provider; None if it has none.

        The provider asks users to confirm, because no ID token is stored to send as a hint
        (RP-Initiated Logout 1.0, section 2).
        """
        try:
            url = self._endpoint("end_session_endpoint")
        except ProviderUnavailable:
            return None
        back = f"{self._public_url}{LOGGED_OUT}"
        return _with_query(url, {"client_id": self._client, "post_logout_redirect_uri": back})

    def _endpoint(self, name: str) -> str:
        url = self._provider.metadata().get(name)
        if not isinstance(url, str) or not is_fetchable(url, require_https=self._require_https):
            raise ProviderUnavailable
        return url

    def _redeem(self, code: str, verifier: str) -> dict[str, Any]:
        """Redeem a code, and return the token response.

        Raises:
            LoginFailed: when the code is not valid for this client (`invalid_grant`).
            ProviderUnavailable: for any other error.

        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{self._public_url}{CALLBACK}",
            "code_verifier": verifier,
        }
        if self._secret:
            # Both are encoded before they are joined (RFC 6749, section 2.3.1).
            secret = self._secret.get_secret_value()
            client = (quote_plus(self._client), quote_plus(secret))
        else:
            client, form["client_id"] = None, self._client
        status, token_response = self._provider.post(self._endpoint("token_endpoint"), form, client)
        if token_response.get("error") == "invalid_grant":
            raise LoginFailed
        if status != requests.codes.ok or "error" in token_response:
            fields = {telemetry.HTTP_RESPONSE_STATUS_CODE: status}
            logger.error("OpenID token request failed", extra=fields)
            raise ProviderUnavailable
        return token_response

    def _claims(self, token_response: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """Verify an ID token, and return its claims (OpenID Connect Core, section 3.1.3.7).

        Raises:
            INVALID_TOKEN_ERRORS: when it is invalid or has another nonce.

        """
        found = self._tokens.open(token_response["id_token"])
        claims = found.claims
        JWTClaimsRegistry(
            leeway=self._leeway,
            iss={"essential": True, "value": self._issuer},
            sub={"essential": True},
            aud={"essential": True, "value": self._client},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(claims)
        # A token with several audiences is valid for its authorized party; `typ` is Keycloak's.
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        party = claims.get("azp", None if several else self._client)
        if party != self._client or claims["nonce"] != nonce or claims.get("typ", "ID") != "ID":
            raise KeyError
        if "at_hash" in claims and not _is_hash(
            claims["at_hash"], token_response["access_token"], found.header["alg"]
        ):
            raise KeyError
        return claims


def _is_hash(at_hash: str, token: str, algorithm: str) -> bool:
    digest = HASHES[algorithm if algorithm.startswith("Ed") else algorithm[-3:]]
    whole = digest(token.encode("ascii")).digest()
    return hmac.compare_digest(at_hash.encode(), _encoded(whole[: len(whole) // 2]).encode())


def _name(claims: Mapping[str, Any]) -> str:
    """Return the name to show, without unpaired surrogates, which pages and cookies cannot hold."""
    names = (claims.get(name) for name in NAMES)
    texts = (name.encode(errors="ignore").decode() for name in names if isinstance(name, str))
    return next(text for text in texts if text)[:MAX_NAME_LENGTH]


def _encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def _with_query(url: str, parameters: Mapping[str, str]) -> str:
    """Add parameters to a URL that may already have some (RFC 6749, section 3.1)."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


oidc_login = Extension[OIDCLogin]("oidc_login")


def configured() -> OIDCLogin:
    """Return the OpenID login of the current application.

    Raises:
        LoginUnavailable: in development, when OIDC_CLIENT_ID is not set.

    """
    found = oidc_login.get(current_app)
    if found is None:
        raise LoginUnavailable
    return found


def init_app(app: Flask, settings: ClientSettings) -> None:
    """Set up login at the provider; in development without OIDC_CLIENT_ID it is unavailable."""
    if settings.oidc_client_id:
        oidc_login.set(app, OIDCLogin(settings, openid_provider.of(app), scopes.of(app)))
