import json
import time
from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from flask.testing import FlaskClient
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from pydantic import ValidationError

from app.core import access
from app.core.access import InvalidToken, oidc
from app.core.access.jwks import ProviderClient
from app.core.access.oidc import Verifier
from app.core.access.scopes import Scopes
from app.settings import Settings
from conftest import MakeApp
from tests import environments, toy
from tests.provider import (
    DISCOVERY,
    KEY,
    KEYS,
    OpenIDProvider,
    Realm,
    claims,
    encoded,
    part,
    signed,
)

CURVE = OKPKey.generate_key("Ed25519", {"kid": "curve", "alg": "Ed25519"})
MODULUS = RSAKey.generate_key(2048, {"kid": "modulus", "alg": "RS256"})
OTHER = ECKey.generate_key("P-256", {"kid": "first", "alg": "ES256"})
NOW = int(time.time())
NOWHERE = "http://127.0.0.1:1"  # nothing listens there
GRANTED = Scopes(("user", "admin", "editor"))
GRANTED.declare(toy.SCOPES)
GRANTED.declare({"drafts:write": ("editor",)})
USER, ADMIN, NOBODY = GRANTED.of_role("user"), GRANTED.of_role("admin"), frozenset[str]()


Serving = Callable[..., tuple[Realm, FlaskClient]]


def settings_for(issuer: str, **values: object) -> Settings:
    return Settings.model_validate({**environments.TESTING, "oidc_issuer": issuer, **values})


def trusting(realm: Realm, **values: object) -> Verifier:
    settings = settings_for(realm.issuer, **values)
    return Verifier(settings, ProviderClient(realm.issuer, settings.oidc_algorithms), GRANTED)


@pytest.fixture
def serving(make_app: MakeApp, openid_provider: OpenIDProvider) -> Serving:
    """Return a function that creates a client of an application that trusts a realm, or a new one."""

    def serve(realm: Realm | None = None) -> tuple[Realm, FlaskClient]:
        realm = realm or openid_provider.realm(KEY)
        app = make_app(oidc_issuer=realm.issuer)
        # {% if cookiecutter.auth == "jwt" %}
        oidc.init_app(app, settings_for(realm.issuer))  # instead of tokens of the service's own
        # {% endif %}
        return realm, toy.init_app(app).test_client()

    return serve


@pytest.fixture(scope="module")
def realm(openid_provider: OpenIDProvider) -> Realm:
    """Return an issuer whose keys no test changes."""
    return openid_provider.realm(KEY, CURVE, MODULUS)


@pytest.fixture(scope="module")
def verifier(realm: Realm) -> Verifier:
    """Return a verifier that has fetched its keys."""
    return trusting(realm)


def test_a_token_identifies_its_subject_with_any_signing_key(
    realm: Realm, verifier: Verifier
) -> None:
    payload = claims(realm.issuer, "Ann")
    ann = uuid5(uuid5(NAMESPACE_URL, realm.issuer), "Ann")
    tokens: list[tuple[Key, dict[str, Any], dict[str, Any]]] = [
        (KEY, {}, {}),
        (CURVE, {}, {}),
        (MODULUS, {}, {}),
        (KEY, {"typ": "application/at+JWT"}, {}),
        (KEY, {"typ": ""}, {}),  # the same as without `typ`, which the RFCs allow
        (KEY, {"typ": "JWT"}, {"typ": "Bearer", "azp": "shop", "sid": "1"}),  # Keycloak
        (
            KEY,
            {},
            {"aud": ["another", payload["aud"]], "nonce": "n"},
        ),  # its header identifies the kind of token
        (
            KEY,
            {"x5t": "t", "of their own": 1},
            {"nbf": payload["iat"] - 5, "exp": payload["iat"] + 0.5},
        ),
    ]
    for key, header, others in tokens:
        principal = verifier.verify(signed({**payload, **others}, key, **header))

        assert (principal.id, principal.scopes) == (ann, USER)
    assert verifier.verify(signed({**payload, "sub": "ann"})).id != ann


def test_the_old_name_of_a_signature_means_the_same(realm: Realm, verifier: Verifier) -> None:
    token = signed(claims(realm.issuer), CURVE, alg="EdDSA")

    assert verifier.verify(token).scopes == USER


@pytest.mark.attack
def test_no_forged_token_is_accepted(
    realm: Realm, verifier: Verifier, subtests: pytest.Subtests
) -> None:
    payload = claims(realm.issuer)
    good = signed(payload)
    assert verifier.verify(good)
    head, body, signature = good.split(".")
    header: dict[str, Any] = {"alg": "ES256", "kid": "first", "typ": "at+jwt"}
    confused = {
        form: OctKey.import_key(encoded(public))
        for form, public in {
            "PEM": MODULUS.as_pem(private=False),
            "DER": MODULUS.as_der(private=False),
            "JWK": json.dumps(MODULUS.as_dict(private=False)).encode(),
        }.items()
    }
    certificates = ["MIIB" * 100]
    forgeries = {
        "no signature": f"{head}.{body}.",
        "alg none": f"{part({**header, 'alg': 'none'})}.{body}.",
        "alg None with the signature": f"{part({**header, 'alg': 'nOnE'})}.{body}.{signature}",
        "alg in a list": f"{part({**header, 'alg': ['ES256']})}.{body}.{signature}",
        **{
            f"the public key as a secret: {form}": signed(
                payload, secret, alg="HS256", kid="modulus"
            )
            for form, secret in confused.items()
        },
        "another algorithm than the key's": signed(payload, MODULUS, alg="PS256"),
        "an algorithm that is not allowed": signed(payload, MODULUS, alg="RS512"),
        "another kind of key": f"{part({**header, 'kid': 'modulus'})}.{body}.{signature}",
        "another key of the same name": signed(payload, OTHER),
        "a key of its own": signed(payload, OTHER, jwk=OTHER.as_dict(private=False)),
        "a key from elsewhere": signed(payload, OTHER, jku="https://evil.example/keys"),
        "certificates of its own": signed(payload, OTHER, x5c=certificates),
        "certificates from elsewhere": signed(payload, OTHER, x5u="https://evil.example/x5c"),
        "an unknown key": signed(payload, OTHER, kid="unknown"),
        "a key with a path": signed(payload, OTHER, kid="../../dev/null"),
        "a key by no text": f"{part({**header, 'kid': ['first']})}.{body}.{signature}",
        "no key": f"{part({'alg': 'ES256', 'typ': 'at+jwt'})}.{body}.{signature}",
        "an extension that it demands": signed(payload, crit=["exp"], exp=1),
        "a body that is not encoded": signed(payload, crit=["b64"], b64=False),
        "another body": f"{head}.{part({**payload, 'sub': 'admin'})}.{signature}",
        "deep nesting": f"{encoded(b'[' * 5_000)}.{body}.{signature}",
        "too long": signed({**payload, "padding": "x" * 8_000}),
        "an encrypted one": "a.b.c.d.e",
        "two of them": f"{good}{good}",
        "nothing": "",
    }
    for name, token in forgeries.items():
        with subtests.test(name), pytest.raises(InvalidToken):
            verifier.verify(token)


@pytest.mark.attack
def test_no_token_for_another_time_issuer_audience_or_use_is_accepted(
    realm: Realm, verifier: Verifier, subtests: pytest.Subtests
) -> None:
    payload = claims(realm.issuer)
    wrong: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "expired": ({}, {"exp": NOW - 60}),
        "expiring in words": ({}, {"exp": "tomorrow"}),
        "not yet good": ({}, {"nbf": NOW + 86_400}),
        "issued in the future": ({}, {"iat": NOW + 86_400}),
        "of another issuer": ({}, {"iss": "https://evil.example"}),
        "of an issuer with a slash": ({}, {"iss": f"{realm.issuer}/"}),
        "of two issuers": ({}, {"iss": [realm.issuer]}),
        "for another audience": ({}, {"aud": "another service"}),
        "for an audience that begins alike": ({}, {"aud": f"{payload['aud']}.evil.example"}),
        "for a list of others": ({}, {"aud": ["another service"]}),
        "for no audience": ({}, {"aud": []}),
        "for nobody": ({}, {"sub": ""}),
        "for a number": ({}, {"sub": 7}),
        "for no text": ({}, {"sub": "\ud800"}),
        "of another kind": ({"typ": "logout+jwt"}, {}),
        "of a kind in a list": ({"typ": ["at+jwt"]}, {}),
        "an ID token, by its nonce": ({"typ": "JWT"}, {"nonce": "n"}),
        "an ID token, by its hash": ({"typ": ""}, {"at_hash": "h"}),
        "an ID token of Keycloak": ({"typ": "JWT"}, {"typ": "ID"}),
        "a refresh token of Keycloak": ({"typ": "JWT"}, {"typ": "Refresh"}),
        "a logout token": ({"typ": "JWT"}, {"events": {}}),
        "bound to a key": ({}, {"cnf": {"jkt": "thumbprint"}}),
        **{f"without {name}": ({}, {name: None}) for name in payload if name != "iat"},
    }
    for name, (header, changes) in wrong.items():
        with subtests.test(name):
            changed = {
                key: each for key, each in {**payload, **changes}.items() if each is not None
            }
            with pytest.raises(InvalidToken):
                verifier.verify(signed(changed, **header))


def test_a_further_role_is_held_in_addition(openid_provider: OpenIDProvider) -> None:
    realm = openid_provider.realm(KEY)
    verifier = trusting(
        realm,
        oidc_role_claim="roles",
        oidc_user_requires="scope:notes",
        oidc_admin_requires="role:boss",
        oidc_further_roles="editor=role:editors",
    )

    def held(scope: str, *roles: str) -> frozenset[str]:
        return verifier.verify(
            signed({**claims(realm.issuer), "scope": scope, "roles": roles})
        ).scopes

    assert held("notes", "others") == USER
    assert held("notes", "editors") == USER | {"drafts:write"}
    assert held("notes", "editors", "boss") == ADMIN | {"drafts:write"}
    assert held("", "editors") == NOBODY


def test_a_misspelt_role_stops_the_start(openid_provider: OpenIDProvider) -> None:
    with pytest.raises(LookupError, match="there is no role 'editr'; the roles are user, admin"):
        trusting(openid_provider.realm(KEY), oidc_further_roles="editr=scope:edit")


@pytest.mark.attack
def test_a_key_of_another_provider_is_not_accepted(
    openid_provider: OpenIDProvider,
) -> None:
    other = openid_provider.realm(CURVE)

    with pytest.raises(InvalidToken):
        trusting(other).verify(signed(claims(other.issuer)))  # signed with the key of another realm


def test_the_claims_of_a_token_are_mapped_to_scopes(
    realm: Realm, subtests: pytest.Subtests
) -> None:
    auth0 = "https://shop.example/roles"
    cases: list[tuple[dict[str, str], dict[str, Any], frozenset[str]]] = [
        # By default every token has the role user, and none the role admin.
        ({}, {"scope": "admin", "roles": ["admin"]}, USER),
        ({"oidc_user_requires": "scope:notes"}, {"scope": "openid notes"}, USER),
        ({"oidc_user_requires": "scope:notes"}, {"scope": ["openid", "notes"]}, USER),
        ({"oidc_user_requires": "scope:notes"}, {"scope": "openid"}, NOBODY),
        ({"oidc_user_requires": "scope:notes"}, {}, NOBODY),
        ({"oidc_user_requires": "scope:a,scope:b"}, {"scope": "a"}, NOBODY),
        ({"oidc_user_requires": "scope:a,scope:b"}, {"scope": "b a"}, USER),
        ({"oidc_scope_claim": "scp", "oidc_user_requires": "scope:a"}, {"scp": "a"}, USER),
        ({"oidc_admin_requires": "scope:admin"}, {"scope": "admin"}, ADMIN),
        (
            {"oidc_role_claim": "realm_access.roles", "oidc_admin_requires": "role:Shop Admins"},
            {"realm_access": {"roles": ["Shop Admins"]}},
            ADMIN,
        ),
        (
            {"oidc_role_claim": auth0, "oidc_admin_requires": "role:admin"},
            {auth0: ["admin"]},
            ADMIN,
        ),
        (
            {"oidc_role_claim": "role", "oidc_admin_requires": "role:admin"},
            {"role": "admin"},
            ADMIN,
        ),
        # An administrator needs what a user needs, too.
        (
            {"oidc_user_requires": "scope:notes", "oidc_admin_requires": "scope:admin"},
            {"scope": "admin"},
            NOBODY,
        ),
    ]
    for values, payload, scopes in cases:
        with subtests.test(f"{values} {payload}"):
            all_values = {"oidc_role_claim": "", "oidc_admin_requires": "", **values}
            principal = trusting(realm, **all_values).verify(
                signed(claims(realm.issuer, **payload))
            )

            assert principal.scopes == scopes


@pytest.mark.attack
def test_nobody_becomes_an_administrator_by_what_only_looks_like_the_role(
    realm: Realm, subtests: pytest.Subtests
) -> None:
    verifier = trusting(realm)  # role:admin in realm_access.roles
    for payload in (
        {"scope": "admin role:admin"},
        {"roles": ["admin"]},
        {"realm_access.roles": ["admin"]},
        {"realm_access": "admin"},
        {"realm_access": ["admin"]},
        {"realm_access": [{"roles": ["admin"]}]},
        {"realm_access": None},
        {"realm_access": {"roles": None}},
        {"realm_access": {"roles": "user admin"}},
        {"realm_access": {"roles": "administrator"}},
        {"realm_access": {"roles": ["Admin", "admin ", "admins", "role:admin"]}},
        {"realm_access": {"roles": [["admin"], {"admin": True}, 1, None]}},
        {"realm_access": {"roles": {"admin": True}}},
        {"realm_access": {"roles": 7}},
    ):
        with subtests.test(str(payload)):
            token = signed(claims(realm.issuer, **payload))

            assert verifier.verify(token).scopes == USER


def test_a_wrong_setting_is_refused_at_start(
    production: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    no_certificates = tmp_path_factory.mktemp("ca") / "ca.pem"
    no_certificates.write_text("nothing")
    for values, sentence in (
        ({"oidc_issuer": None}, "is required in production"),
        ({"oidc_issuer": None, "oidc_audience": None}, "2 validation errors"),
        ({"oidc_issuer": "http://login.example"}, "exactly as in its discovery document"),
        ({"oidc_issuer": "http://127.0.0.1"}, "exactly as in its discovery document"),
        (
            {"oidc_issuer": "https://login.example?realm=shop"},
            "exactly as in its discovery document",
        ),
        ({"oidc_issuer": "login.example"}, "exactly as in its discovery document"),
        ({"app_env": "development", "oidc_audience": None}, "is required with OIDC_ISSUER"),
        ({"oidc_algorithms": "RS256,HS256"}, "only public keys are accepted"),
        ({"oidc_algorithms": "none"}, "only public keys are accepted"),
        ({"oidc_algorithms": ","}, "only public keys are accepted"),
        ({"oidc_leeway_seconds": 301}, "less than or equal to 300"),
        ({"oidc_user_requires": "notes"}, "must be scope:<name> or role:<name>"),
        ({"oidc_admin_requires": "scope:a b"}, "must be scope:<name> or role:<name>"),
        (
            {"oidc_further_roles": "role:editor"},
            "must be <role>=scope:<name> or <role>=role:<name>",
        ),
        ({"oidc_further_roles": "editor=editor"}, "must be scope:<name> or role:<name>"),
        ({"oidc_admin_requires": "role:admin"}, "which requires OIDC_ROLE_CLAIM"),
        ({"oidc_ca_file": "/nowhere/ca.pem"}, "certificates in PEM"),
        ({"oidc_ca_file": no_certificates}, "certificates in PEM"),
    ):
        with pytest.raises(ValidationError, match=sentence):
            Settings.model_validate({**production, **values})


def test_in_development_the_provider_is_optional_and_without_it_no_token_is_accepted(
    make_app: MakeApp,
) -> None:
    settings = Settings.model_validate({"app_env": "development"})
    assert any("every access token is refused" in each for each in settings.warnings())
    assert not any("OIDC" in each for each in settings_for(NOWHERE).warnings())

    app = make_app()
    oidc.init_app(app, settings)
    headers = {"Authorization": f"Bearer {signed(claims(NOWHERE))}"}
    with app.test_request_context(headers=headers), pytest.raises(InvalidToken):
        access.require_scope("notes:read")


def test_each_application_fetches_the_keys_when_the_first_token_arrives(serving: Serving) -> None:
    realm, one = serving()
    _, another = serving(realm)
    headers = {"Authorization": f"Bearer {signed(claims(realm.issuer))}"}
    assert realm.request_count(KEYS) == 0

    for client in (one, one, another, another):
        assert client.get(toy.URL, headers=headers).status_code == 200
    assert realm.request_count(DISCOVERY) == realm.request_count(KEYS) == 2


def test_while_the_provider_is_away_only_those_wait_whose_keys_are_unknown(
    serving: Serving,
) -> None:
    realm, client = serving()
    known, unknown = (
        {"Authorization": f"Bearer {signed(claims(realm.issuer), kid=kid)}"}
        for kid in ("first", "unknown")
    )
    assert client.get(toy.URL, headers=known).status_code == 200
    realm.set_response(DISCOVERY, "", status=503)

    response = client.get(toy.URL, headers=unknown)
    assert response.status_code == 503
    assert response.json is not None
    assert response.json["code"] == "identity_provider_unavailable"
    assert response.headers["Retry-After"] == "10"
    assert client.get(toy.URL, headers=known).status_code == 200
    assert client.get(toy.URL, headers={"Authorization": ""}).status_code == 401
    assert client.get("/health/ready").status_code == 200
