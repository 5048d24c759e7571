import pytest
from marshmallow import ValidationError

from app.core.api.idempotency import DIGEST_LENGTH, Claim, IdempotencyHeaders
from tests import toy

KEY = "5f0c9a52-6a0e-4f57-9d3f-0c9f2b6f2a7e"


def test_a_claim_is_of_a_key_and_of_a_body_whatever_the_order_of_its_members() -> None:
    claim = Claim.of(KEY, toy.NOTE)

    assert claim == Claim.of(f'"{KEY}"', dict(reversed(toy.NOTE.items())))
    assert claim.key == Claim.of(KEY, {}).key
    assert claim.fingerprint != Claim.of(KEY, {}).fingerprint
    assert claim.key != Claim.of(f"{KEY}-2", toy.NOTE).key
    assert {len(claim.key), len(claim.fingerprint)} == {DIGEST_LENGTH}


# {% if cookiecutter.auth != "none" %}
def test_one_key_of_two_owners_is_two_claims() -> None:
    claim = Claim.of(KEY, toy.NOTE)

    assert claim.owned_by("ann") == claim.owned_by("ann")
    assert claim.owned_by("ann").key != claim.owned_by("bob").key
    assert claim.owned_by("ann").fingerprint == claim.fingerprint


# {% endif %}
def test_a_key_has_a_form() -> None:
    for key in (KEY, f'"{KEY}"', "a" * 128):
        assert IdempotencyHeaders().load({"Idempotency-Key": key}) == {"idempotency_key": key}
    for wrong in ("", "short", "a" * 129, f"{KEY} ", "-" * 8, "clé-clé-clé"):
        with pytest.raises(ValidationError, match="Must be 8 to 128 letters"):
            IdempotencyHeaders().load({"Idempotency-Key": wrong})
