import base64
import json
import time
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from pydantic import ValidationError

from app.core.access import InvalidToken, Principal, tokens
from app.core.access.tokens import Tokens
from app.settings import Settings

CALLER = Principal(UUID(int=7), frozenset({"notes:read", "admin"}), session=UUID(int=8))
NOW = int(time.time())
SECRET = OctKey.generate_key(256, {"kid": "secret"})
OTHER_SECRET = OctKey.generate_key(256, {"kid": "secret"})
CURVE = OKPKey.generate_key("Ed25519", {"kid": "curve"})
OTHER_CURVE = OKPKey.generate_key("Ed25519", {"kid": "curve"})
CLAIMS: dict[str, Any] = {
    "iss": "issuer",
    "aud": "audience",
    "sub": str(CALLER.id),
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 3_600,
    "jti": "one",
    "scope": "admin",
}
HEADER: dict[str, Any] = {"alg": "HS256", "kid": "secret", "typ": "at+jwt"}


def key_set(*keys: Key, private: bool = True) -> str:
    return json.dumps({"keys": [key.as_dict(private=private) for key in keys]})


def trusting(*keys: Key, **values: object) -> Tokens:
    jwt_values = {"jwt_keys": key_set(*keys), "jwt_issuer": "issuer", "jwt_audience": "audience"}
    return Tokens(Settings.model_validate({"app_env": "testing", **jwt_values, **values}))


def signed(header: dict[str, Any], claims: dict[str, Any], key: Key) -> str:
    return jwt.encode(header, claims, key, algorithms=[header["alg"]])


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "key",
    [
        SECRET,
        CURVE,
        ECKey.generate_key("P-256", {"kid": "curve"}),
        RSAKey.generate_key(2048, {"kid": "modulus"}),
    ],
    ids=lambda key: key.key_type,
)
def test_a_token_identifies_its_principal_until_it_expires(
    key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = trusting(key, access_token_ttl_seconds=30)
    token = issuer.issue(CALLER)

    assert token.ttl_seconds == 30
    assert issuer.verify(token.value) == CALLER
    later = time.time() + 30 + tokens.LEEWAY + 1
    monkeypatch.setattr("time.time", lambda: later)
    with pytest.raises(InvalidToken):
        issuer.verify(token.value)


def test_during_a_rotation_both_keys_are_valid_and_the_first_one_signs() -> None:
    old, changing, new = trusting(SECRET), trusting(CURVE, SECRET), trusting(CURVE)

    of_the_old, of_the_new = old.issue(CALLER).value, changing.issue(CALLER).value

    assert changing.verify(of_the_old) == changing.verify(of_the_new) == CALLER
    assert new.verify(of_the_new) == CALLER
    with pytest.raises(InvalidToken):
        new.verify(of_the_old)


def test_a_principal_without_a_session_has_a_token_too() -> None:
    issuer = trusting(SECRET)
    principal = Principal(UUID(int=1), frozenset())

    assert issuer.verify(issuer.issue(principal).value) == principal


@pytest.mark.attack
def test_no_forged_token_is_accepted(subtests: pytest.Subtests) -> None:
    issuer = trusting(SECRET, CURVE)
    good = signed(HEADER, CLAIMS, SECRET)
    assert issuer.verify(good).id == CALLER.id
    head, body, signature = good.split(".")
    public = CURVE.as_pem(private=False)
    confused = OctKey.generate_key(256, {"kid": "curve"})
    forgeries = {
        "no signature": f"{head}.{body}.",
        "alg none": f"{part({**HEADER, 'alg': 'none'})}.{body}.",
        "alg None with the signature": f"{part({**HEADER, 'alg': 'None'})}.{body}.{signature}",
        "HS256 under the name of a public key": signed(
            {**HEADER, "kid": "curve"}, CLAIMS, confused
        ),
        "the public key as a secret": signed(
            {**HEADER, "kid": "curve"},
            CLAIMS,
            OctKey.import_key(base64.urlsafe_b64encode(public)),
        ),
        "another key of the same name": signed(
            {**HEADER, "alg": "Ed25519", "kid": "curve"}, CLAIMS, OTHER_CURVE
        ),
        "another algorithm of the same key": signed({**HEADER, "alg": "HS512"}, CLAIMS, SECRET),
        "an unknown key": signed({**HEADER, "kid": "unknown"}, CLAIMS, SECRET),
        "a key named by no string": signed({**HEADER, "kid": "secret"}, CLAIMS, SECRET).replace(
            head, part({**HEADER, "kid": ["secret"]})
        ),
        "no kid": signed({"alg": "HS256", "typ": "at+jwt"}, CLAIMS, SECRET),
        "a key of its own": signed({**HEADER, "jwk": SECRET.as_dict()}, CLAIMS, OTHER_SECRET),
        "a key from elsewhere": signed(
            {**HEADER, "jku": "https://evil.example/keys"}, CLAIMS, OTHER_SECRET
        ),
        "another body": f"{head}.{part({**CLAIMS, 'scope': 'admin notes:read'})}.{signature}",
        "too long": signed(HEADER, {**CLAIMS, "padding": "x" * 5_000}, SECRET),
        "an encrypted one": "a.b.c.d.e",
        "two of them": f"{good}{good}",
        "nothing": "",
    }
    for name, token in forgeries.items():
        with subtests.test(name), pytest.raises(InvalidToken):
            issuer.verify(token)


@pytest.mark.attack
def test_no_token_for_another_time_issuer_audience_or_use_is_accepted(
    subtests: pytest.Subtests,
) -> None:
    issuer = trusting(SECRET)
    wrong: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "expired": ({}, {"exp": NOW - 60}),
        "not yet good": ({}, {"nbf": NOW + 86_400}),
        "issued in the future": ({}, {"iat": NOW + 86_400}),
        "of another issuer": ({}, {"iss": "evil"}),
        "for another audience": ({}, {"aud": "another service"}),
        "for no audience": ({}, {"aud": []}),
        "of another kind": ({"typ": "JWT"}, {}),
        "of no kind": ({"typ": None}, {}),
        "for nobody": ({}, {"sub": ""}),
        "for a name that is no id": ({}, {"sub": "admin"}),
        "for a number": ({}, {"sub": 7}),
        "with a session that is no id": ({}, {"sid": "x"}),
        "with scopes in a list": ({}, {"scope": ["admin"]}),
        "with a time in words": ({}, {"exp": "tomorrow"}),
        **{f"without {name}": ({}, {name: None}) for name in CLAIMS},
    }
    for name, (header, claims) in wrong.items():
        with subtests.test(name):
            changed = {key: each for key, each in {**HEADER, **header}.items() if each is not None}
            payload = {key: each for key, each in {**CLAIMS, **claims}.items() if each is not None}
            with pytest.raises(InvalidToken):
                issuer.verify(signed(changed, payload, SECRET))


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_an_unfit_key_set_is_refused_at_start_and_not_repeated(production: dict[str, str]) -> None:
    weak = OctKey.generate_key(128, {"kid": "weak"})
    small = RSAKey.generate_key(1024, {"kid": "small"})
    strange = {"kty": "strange", "kid": "x"}
    for text, sentence in (
        ("canary", "must be a JSON Web Key Set"),
        ('{"keys": []}', "must be a JSON Web Key Set"),
        ('{"keys": [{"kty": "oct", "k": "?"}]}', "must be a JSON Web Key Set"),
        ('["canary"]', "must be a JSON Web Key Set"),
        (key_set(weak), "unsuitable key"),
        (key_set(small), "unsuitable key"),
        (key_set(ECKey.generate_key("P-384")), "unsuitable key"),
        (json.dumps({"keys": [SECRET.as_dict(), strange]}), "unsuitable key"),
        (key_set(SECRET, SECRET), "two keys with the same kid"),
        (key_set(CURVE, private=False), "must be able to sign"),
        (tokens.DEVELOPMENT_KEYS, "can be guessed; make one with"),
        (tokens.DEVELOPMENT_KEYS.replace('"development"', '"1"'), "can be guessed"),
        (key_set(SECRET, OctKey.import_key(b"a" * 32, {"kid": "a"})), "can be guessed"),
        (key_set(SECRET, OctKey.import_key(bytes(range(32)), {"kid": "b"})), "can be guessed"),
        (json.dumps({"keys": [{**CURVE.as_dict(private=True), "d": "A" * 43}]}), "can be guessed"),
        ("", "is required in production"),
    ):
        with pytest.raises(ValidationError, match=sentence) as refused:
            Settings.model_validate({**production, "jwt_keys": text})
        assert "canary" not in str(refused.value)


def test_a_public_key_may_follow_to_verify_tokens_of_others() -> None:
    assert trusting(SECRET).verify(trusting(SECRET).issue(CALLER).value) == CALLER
    both = json.dumps({"keys": [SECRET.as_dict(), CURVE.as_dict(private=False)]})

    believing = Tokens(
        Settings.model_validate(
            {
                "app_env": "testing",
                "jwt_keys": both,
                "jwt_issuer": "issuer",
                "jwt_audience": "audience",
            }
        )
    )

    assert believing.verify(trusting(CURVE).issue(CALLER).value) == CALLER


def test_an_operator_can_make_keys(app: Flask, production: dict[str, str]) -> None:
    printed = app.test_cli_runner().invoke(args=["new-jwt-keys"]).output

    made = Settings.model_validate({**production, "jwt_keys": printed})
    issuer = Tokens(made)
    assert issuer.verify(issuer.issue(CALLER).value) == CALLER
