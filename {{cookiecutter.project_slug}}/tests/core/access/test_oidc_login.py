import time
from hashlib import sha256, sha512
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from joserfc.jwk import ECKey, Key, OctKey, OKPKey
from pydantic import ValidationError

from app.core.access.jwks import ProviderClient
from app.core.access.oidc_login import MAX_NAME_LENGTH, LoginFailed, OIDCLogin
from app.core.access.scopes import Scopes
from app.settings import Settings
from tests import environments, toy
from tests.provider import CLIENT, KEY, OpenIDProvider, Realm, claims, encoded, part, signed

CURVE = OKPKey.generate_key("Ed25519", {"kid": "curve", "alg": "Ed25519"})
OTHER = ECKey.generate_key("P-256", {"kid": "first", "alg": "ES256"})
GRANTED = Scopes(("user", "admin"))
GRANTED.declare(toy.SCOPES)
USER, ADMIN = GRANTED.of_role("user"), GRANTED.of_role("admin")
NONCE = "of one question"
ACCESS = "abcdefgh"  # an access token, which no test decodes


@pytest.fixture(scope="module")
def realm(openid_provider: OpenIDProvider) -> Realm:
    """Return an issuer that no test changes."""
    return openid_provider.realm(KEY, CURVE)


@pytest.fixture(scope="module")
def flow(realm: Realm) -> OIDCLogin:
    """Return the login at that issuer."""
    settings = Settings.model_validate({**environments.TESTING, "oidc_issuer": realm.issuer})
    return OIDCLogin(settings, ProviderClient(realm.issuer, settings.oidc_algorithms), GRANTED)


def id_token_claims(realm: Realm, **others: object) -> dict[str, Any]:
    """Return the claims of an ID token."""
    found = {**claims(realm.issuer, "ann"), "aud": CLIENT["id"], "nonce": NONCE, **others}
    return {name: value for name, value in found.items() if value is not None}


def token_response(payload: dict[str, Any], key: Key = KEY, **header: object) -> dict[str, str]:
    """Return the provider's token response."""
    return {"id_token": signed(payload, key, **{"typ": "JWT", **header}), "access_token": ACCESS}


def test_id_tokens_of_many_providers_are_accepted(
    flow: OIDCLogin, realm: Realm, subtests: pytest.Subtests
) -> None:
    half = encoded(sha256(ACCESS.encode()).digest()[:16])
    edwards = encoded(sha512(ACCESS.encode()).digest()[:32])
    cases: dict[str, tuple[Key, dict[str, Any], dict[str, Any]]] = {
        "Keycloak": (KEY, {}, {"typ": "ID", "azp": CLIENT["id"], "at_hash": half, "sid": "1"}),
        "in a list": (KEY, {}, {"aud": [CLIENT["id"]]}),
        "for several": (KEY, {}, {"aud": [CLIENT["id"], "more"], "azp": CLIENT["id"]}),
        "without a kind": (KEY, {"typ": ""}, {}),
        "Ed25519": (CURVE, {}, {"at_hash": edwards}),
        "EdDSA": (CURVE, {"alg": "EdDSA"}, {"at_hash": edwards}),
    }
    ann = uuid5(uuid5(NAMESPACE_URL, realm.issuer), "ann")
    for name, (key, header, others) in cases.items():
        with subtests.test(name):
            principal, _ = flow.identify(
                token_response(id_token_claims(realm, **others), key, **header), NONCE
            )

            assert (principal.id, principal.scopes) == (ann, USER)


@pytest.mark.attack
def test_no_id_token_of_another_request_is_accepted(
    flow: OIDCLogin, realm: Realm, subtests: pytest.Subtests
) -> None:
    now = int(time.time())
    wrong: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "expired": ({}, {"exp": now - 60}),
        "without an end": ({}, {"exp": None}),
        "without a beginning": ({}, {"iat": None}),
        "issued in the future": ({}, {"iat": now + 120}),
        "of another issuer": ({}, {"iss": "https://evil.example"}),
        "without an issuer": ({}, {"iss": None}),
        "of another client": ({}, {"aud": "another"}),
        "for the API": ({}, {"aud": environments.TESTING["oidc_audience"]}),
        "for nobody": ({}, {"aud": []}),
        "for several, without a party": ({}, {"aud": [CLIENT["id"], "another"]}),
        "for another party": ({}, {"azp": "another"}),
        "without a subject": ({}, {"sub": None}),
        "with an empty subject": ({}, {"sub": ""}),
        "with a number as subject": ({}, {"sub": 7}),
        "without a nonce": ({}, {"nonce": None}),
        "with another nonce": ({}, {"nonce": "of another question"}),
        "with nonces": ({}, {"nonce": [NONCE]}),
        "for another access token": ({}, {"at_hash": encoded(b"x" * 16)}),
        "with a hash of another kind": ({}, {"at_hash": 7}),
        "an access token": ({"typ": "at+jwt"}, {}),
        "a logout token": ({"typ": "logout+jwt"}, {}),
        "an access token of Keycloak": ({}, {"typ": "Bearer"}),
        "with a key that is unknown": ({"kid": "unknown"}, {}),
        "without a key's name": ({"kid": None}, {}),
        "with an algorithm of another key": ({"kid": "curve"}, {}),
        "too long": ({}, {"padding": "x" * 10_000}),
    }
    secret = OctKey.import_key(CLIENT["secret"])
    good = id_token_claims(realm)
    unsigned = f"{part({'alg': 'none', 'kid': 'first'})}.{part(good)}."
    responses: dict[str, dict[str, Any]] = {
        **{
            name: token_response(id_token_claims(realm, **changes), **header)
            for name, (header, changes) in wrong.items()
        },
        "signed with the client's secret": token_response(good, secret, alg="HS256", kid="first"),
        "signed with the key of somebody else": token_response(good, OTHER),
        "not signed": {**token_response(good), "id_token": unsigned},
        "no token": {**token_response(good), "id_token": "nothing"},
        "no text": {**token_response(good), "id_token": 7},
        "none": {"access_token": ACCESS},
        "with the hash of an access token that is not there": {
            "id_token": token_response(id_token_claims(realm, at_hash="a"))["id_token"]
        },
    }
    for name, response in responses.items():
        with subtests.test(name), pytest.raises(LoginFailed):
            flow.identify(response, NONCE)


def test_roles_are_those_of_the_id_token(flow: OIDCLogin, realm: Realm) -> None:
    cases: list[tuple[dict[str, Any], frozenset[str]]] = [
        ({"realm_access": {"roles": ["admin"]}}, ADMIN),
        ({"realm_access": {"roles": ["admins"]}, "roles": ["admin"]}, USER),
        ({}, USER),
    ]
    for others, scopes in cases:
        principal, _ = flow.identify(token_response(id_token_claims(realm, **others)), NONCE)

        assert principal.scopes == scopes


def test_people_are_called_what_the_provider_calls_them(flow: OIDCLogin, realm: Realm) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"preferred_username": "Ann", "email": "ann@shop.example"}, "Ann"),
        ({"preferred_username": "", "email": "ann@shop.example"}, "ann@shop.example"),
        ({"preferred_username": 7}, "ann"),
        ({"preferred_username": "Ann\ud800"}, "Ann"),  # half a character
        ({"preferred_username": "\udfff"}, "ann"),
        ({"preferred_username": "x" * 1_000}, "x" * MAX_NAME_LENGTH),
    ]
    for others, name in cases:
        assert flow.identify(token_response(id_token_claims(realm, **others)), NONCE)[1] == name


def test_a_wrong_setting_is_refused_at_start(production: dict[str, str]) -> None:
    for values, sentence in (
        ({"oidc_client_id": None}, "is required in production"),
        ({"oidc_client_secret": None}, "is required in production"),
        ({"public_url": ""}, "is required in production"),
        ({"oidc_client_id": production["oidc_audience"]}, "must differ from OIDC_AUDIENCE"),
        ({"app_env": "development", "oidc_issuer": None}, "requires OIDC_ISSUER"),
        ({"oidc_client_scopes": "profile email"}, "must contain openid"),
    ):
        with pytest.raises(ValidationError, match=sentence):
            Settings.model_validate({**production, **values})
