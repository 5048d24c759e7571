"""People who log in at the OpenID provider: its authorization code flow (OpenID Connect Core, 3.1).

The provider sends a browser back with a code. The state says that this browser was sent there, the
verifier (PKCE, RFC 7636) and the client's secret that the code is spent by whom it was made for, and
the nonce that the ID token is the answer to this question.
"""

import hmac
import logging
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256, sha384, sha512
from typing import Annotated, Any, cast
from urllib.parse import quote_plus, urlencode

import requests
from flask import Flask, current_app
from joserfc.jwt import JWTClaimsRegistry
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from app.core.access import auth_log, scopes
from app.core.access.jwks import Provider, ProviderUnavailable, reachable
from app.core.access.oidc import ANY_TOKENS, NO_GOOD, OidcSettings, Principals, SignedTokens
from app.core.access.principals import Principal
from app.core.access.scopes import Scopes
from app.core.config import required_in_production
from app.core.config.public_url import PublicURLSettings
from app.core.errors import Problem, Unavailable

logger = logging.getLogger(__name__)

CALLBACK = "/login/callback"
SIGNED_OUT = "/logged-out"
NAMES = ("preferred_username", "email", "sub")  # what a person is called, best first
MAX_NAME_LENGTH = 100
# Of an access token's hash, by the end of the ID token's algorithm (OpenID Connect Core, 3.1.3.6).
HASHES = {"256": sha256, "384": sha384, "512": sha512, "EdDSA": sha512, "Ed25519": sha512}


def _client_id(value: str | None, info: ValidationInfo) -> str | None:
    if required_in_production(value, info) is None:
        return None
    if info.data.get("oidc_issuer", value) is None:
        message = "needs OIDC_ISSUER"
        raise ValueError(message)
    if value == info.data.get("oidc_audience"):
        message = "must not be OIDC_AUDIENCE too: ID tokens would be believed as access tokens"
        raise ValueError(message)
    return value


def _scopes(value: str) -> str:
    if "openid" not in value.split():
        message = "must contain openid, or the provider sends no ID token"
        raise ValueError(message)
    return value


class ClientSettings(OidcSettings, PublicURLSettings):
    """What the provider knows this service as, where people log in."""

    oidc_client_id: Annotated[str | None, AfterValidator(_client_id)] = Field(
        default=None, validate_default=True
    )
    # A server can keep a secret, so in production it has to (RFC 9700, section 2.5).
    oidc_client_secret: Annotated[SecretStr | None, AfterValidator(required_in_production)] = Field(
        default=None, validate_default=True
    )
    oidc_client_scopes: Annotated[str, AfterValidator(_scopes)] = "openid profile email"

    def warnings(self) -> list[str]:
        """Say that nobody can log in."""
        found = super().warnings()
        if self.oidc_client_id is None:
            found.append("OIDC_CLIENT_ID is not set: nobody can log in.")
        return found


class LoginUnavailable(Unavailable):
    """In development, nobody has said which client of the provider this service is."""

    code = "login_unavailable"
    in_api = False
    detail = "Nobody can log in here; the log says what is not set."


class LoginFailed(Problem):
    """The provider refused, or what came back is not the answer to a question of this browser."""

    status = 400
    code = "login_failed"
    in_api = False
    detail = "You are not logged in. Go to the start and try again."


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What the answer to one question is held to; nobody can guess it."""

    state: str
    nonce: str
    verifier: str


class OIDCLogin:
    """Sends people to the provider, and learns from it who they are."""

    def __init__(self, settings: ClientSettings, provider: Provider, granted: Scopes) -> None:
        """Take which client this service is, of which provider, and what roles may do."""
        self._provider = provider
        self._issuer = str(settings.oidc_issuer)
        self._client = str(settings.oidc_client_id)
        self._secret = settings.oidc_client_secret
        self._scopes = settings.oidc_client_scopes
        self._place = settings.public_url
        self._leeway = settings.oidc_leeway_seconds
        self._securely = settings.in_production
        self._tokens = SignedTokens(settings, provider, ANY_TOKENS)
        self._principals = Principals(settings, granted)

    def start(self) -> tuple[str, AuthorizationRequest]:
        """Return where to send a browser, and what to keep in it.

        Raises:
            ProviderUnavailable: when it is not known where that is.

        """
        question = AuthorizationRequest(*(secrets.token_urlsafe(32) for _ in range(3)))
        asked = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": f"{self._place}{CALLBACK}",
            "scope": self._scopes,
            "state": question.state,
            "nonce": question.nonce,
            "code_challenge": _encoded(sha256(question.verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        return _with(self._endpoint("authorization_endpoint"), asked), question

    def finish(
        self, request: AuthorizationRequest, answer: Mapping[str, str]
    ) -> tuple[Principal, str]:
        """Return who has logged in, and their name, from the parameters of the answer.

        Raises:
            LoginFailed: when the provider has refused, or the answer is none to this question.
            ProviderUnavailable: when the provider does not say.

        """
        # Another provider must not pass its code off as this one's, or learn this one's (RFC 9207).
        named = self._provider.described().get("authorization_response_iss_parameter_supported")
        if answer.get("iss", "" if named is True else self._issuer) != self._issuer:
            raise LoginFailed
        if "error" in answer or not answer.get("code"):
            raise LoginFailed
        return self.identify(self._spend(answer["code"], request.verifier), request.nonce)

    def identify(self, given: Mapping[str, Any], nonce: str) -> tuple[Principal, str]:
        """Return who has logged in, and their name, from what was given for a code.

        Raises:
            LoginFailed: when the ID token is not good, or not the answer to this nonce.
            ProviderUnavailable: when its key is unknown, and the provider does not answer.

        """
        try:
            claims = self._claims(given, nonce)
            principal = self._principals.of(claims)
            auth_log.bind(user_id=str(principal.id), subject=claims["sub"])
            return principal, _name(claims)
        except NO_GOOD as error:
            logger.warning("an ID token was refused", extra={"error": type(error).__name__})
            raise LoginFailed from None

    def logout_url(self) -> str | None:
        """Return where people log out of the provider too, if it has such a place.

        It asks them whether they want to, since no ID token is kept to prove it
        (RP-Initiated Logout 1.0, section 2).
        """
        try:
            place = self._endpoint("end_session_endpoint")
        except ProviderUnavailable:
            return None
        back = f"{self._place}{SIGNED_OUT}"
        return _with(place, {"client_id": self._client, "post_logout_redirect_uri": back})

    def _endpoint(self, name: str) -> str:
        place = self._provider.described().get(name)
        if not isinstance(place, str) or not reachable(place, securely=self._securely):
            raise ProviderUnavailable
        return place

    def _spend(self, code: str, verifier: str) -> dict[str, Any]:
        """Return what the provider gives for a code.

        Raises:
            LoginFailed: when it does not know the code, or not from here.
            ProviderUnavailable: when it gives anything else.

        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{self._place}{CALLBACK}",
            "code_verifier": verifier,
        }
        if self._secret:
            # Both are encoded before they are joined (RFC 6749, section 2.3.1).
            secret = self._secret.get_secret_value()
            client = (quote_plus(self._client), quote_plus(secret))
        else:
            client, form["client_id"] = None, self._client
        status, given = self._provider.post(self._endpoint("token_endpoint"), form, client)
        if given.get("error") == "invalid_grant":
            raise LoginFailed
        if status != requests.codes.ok or "error" in given:
            logger.error("the OpenID provider gives nothing for a code", extra={"status": status})
            raise ProviderUnavailable
        return given

    def _claims(self, given: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """Return what an ID token says (OpenID Connect Core, section 3.1.3.7).

        Raises:
            NO_GOOD: when it is not good, or not the answer to the question with this nonce.

        """
        found = self._tokens.open(given["id_token"])
        claims = found.claims
        JWTClaimsRegistry(
            leeway=self._leeway,
            iss={"essential": True, "value": self._issuer},
            sub={"essential": True},
            aud={"essential": True, "value": self._client},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(claims)
        # A token for several is good for the party that it names; the value is Keycloak's.
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        party = claims.get("azp", None if several else self._client)
        if party != self._client or claims["nonce"] != nonce or claims.get("typ", "ID") != "ID":
            raise KeyError
        if "at_hash" in claims and not _is_hash(
            claims["at_hash"], given["access_token"], found.header["alg"]
        ):
            raise KeyError
        return claims


def _is_hash(said: str, token: str, algorithm: str) -> bool:
    digest = HASHES[algorithm if algorithm.startswith("Ed") else algorithm[-3:]]
    whole = digest(token.encode("ascii")).digest()
    return hmac.compare_digest(said.encode(), _encoded(whole[: len(whole) // 2]).encode())


def _name(claims: Mapping[str, Any]) -> str:
    """Return what to call a person; JSON may hold half a character, which no page or cookie can."""
    names = (claims.get(name) for name in NAMES)
    texts = (name.encode(errors="ignore").decode() for name in names if isinstance(name, str))
    return next(text for text in texts if text)[:MAX_NAME_LENGTH]


def _encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def _with(place: str, parameters: Mapping[str, str]) -> str:
    """Add parameters to a URL that may have some (RFC 6749, section 3.1)."""
    return f"{place}{'&' if '?' in place else '?'}{urlencode(parameters)}"


def of_app() -> OIDCLogin:
    """Return how people log in to the current application.

    Raises:
        LoginUnavailable: in development, when nobody has said how.

    """
    found = current_app.extensions["code_flow"]
    if found is None:
        raise LoginUnavailable
    return cast("OIDCLogin", found)


def init_app(app: Flask, settings: ClientSettings) -> None:
    """Let people log in at the provider; nobody, in development without a client of it."""
    app.extensions["code_flow"] = (
        OIDCLogin(settings, app.extensions["openid_provider"], scopes.of(app))
        if settings.oidc_client_id
        else None
    )
