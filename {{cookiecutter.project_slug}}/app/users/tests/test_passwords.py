import time

import pytest
from flask import Flask
from pydantic import ValidationError

from app.core.api import PREFIX
from app.settings import Settings
from app.users.passwords import MIN_KIB, Passwords, WeakPassword, passwords
from app.users.tests import new_address
from conftest import MakeApp, body

EMAIL = "ada.lovelace@mail.example"
GOOD = "correct horse battery"


@pytest.fixture
def ours(app: Flask) -> Passwords:
    return passwords.of(app)


def test_a_password_is_right_or_wrong_to_its_last_character(ours: Passwords) -> None:
    longest = "abcdefgh" * 16
    stored = ours.hash(longest)

    assert stored.startswith("$argon2id$")
    assert ours.verify(longest, stored) == (True, None)
    for wrong in (longest[:-1], f"{longest}a", longest.upper(), ""):
        assert ours.verify(wrong, stored) == (False, None)


def test_a_password_is_the_same_in_each_unicode_form(ours: Passwords) -> None:
    assert ours.verify("cafe\u0301 au lait, s'il vous", ours.hash("caf\u00e9 au lait, s'il vous"))[
        0
    ]


def test_without_a_stored_password_every_one_is_wrong(ours: Passwords) -> None:
    for password in ("", GOOD, "\0"):
        assert ours.verify(password, None) == (False, None)


def test_any_long_text_is_a_good_password(ours: Passwords) -> None:
    for good in (
        GOOD,
        "p\u00e4ssw\u00f6rter \u4e0a\u6d77!",
        "ada and charles",
        "a b c d e f ",
    ):
        ours.check(good, EMAIL)
    ours.check("abode of adam 1815", "ad@mail.example")  # names this short are ignored


def test_a_password_may_have_64_characters_and_no_more_than_128(ours: Passwords) -> None:
    for length in (64, 128):
        ours.check((GOOD * 7)[:length], EMAIL)
    with pytest.raises(WeakPassword) as refused:
        ours.check((GOOD * 7)[:129], EMAIL)
    assert refused.value.sentences == ["Must have 12 to 128 characters."]


def test_all_problems_of_a_password_are_reported_at_once() -> None:
    values = {"app_env": "testing", "service_name": "tea-house"}
    ours = Passwords(Settings.model_validate(values))
    for bad, messages in (
        ("a" * 128, ["5 different", "harder to guess"]),
        ("a" * 129, ["12 to 128", "5 different"]),
        ("aaaa", ["12 to 128", "5 different"]),
        ("", ["12 to 128", "5 different"]),
        (f"my {EMAIL.upper()}", ["the email address"]),
        ("Ada.Lovelace1815", ["the email address"]),
        ("My Tea-House 1815", ["the name of this service"]),
        ("\ufb01" * 12, ["5 different", "harder to guess"]),  # NFKC turns this character into two
        ("\ufb01" * 6, ["12 to 128", "5 different"]),  # but the length counts it as one
    ):
        with pytest.raises(WeakPassword) as refused:
            ours.check(bad, EMAIL)
        assert len(refused.value.sentences) == len(messages), bad
        for sentence, message in zip(refused.value.sentences, messages, strict=True):
            assert message in sentence


@pytest.mark.attack
def test_a_password_that_is_easy_to_guess_is_refused(
    ours: Passwords, subtests: pytest.Subtests
) -> None:
    for easy in (
        "password1234",
        "P@ssw0rd12345",
        "ILOVEYOU1234",
        "qwertyuiop12",
        "123456789012",
        "abcdefghijkl",
        "football2026",
        "abcdefgh" * 16,
        "q1w2e3r4t5y6" * 2,
    ):
        with subtests.test(easy):
            with pytest.raises(WeakPassword) as refused:
                ours.check(easy, EMAIL)
            [sentence] = refused.value.sentences
            assert "harder to guess" in sentence


def test_a_password_with_one_good_end_is_not_easy_to_guess(ours: Passwords) -> None:
    for good in (f"1234567890123456 {GOOD}", f"{GOOD} 1234567890123456"):
        ours.check(good, EMAIL)


def test_checking_a_password_takes_little_time(ours: Passwords) -> None:
    # Many substitutions of letters: zxcvbn would take seconds for the 72 characters it accepts.
    hardest = "4@8({[<369>1!|l710+5$xzZ2" * 5

    before = time.process_time()
    ours.check(hardest, EMAIL)

    assert time.process_time() - before < 0.5


def test_a_service_whose_name_is_in_every_word_takes_passwords_all_the_same() -> None:
    Passwords(Settings.model_validate({"app_env": "testing", "service_name": "a"})).check(
        GOOD, EMAIL
    )


def passwords_with(**values: int) -> Passwords:
    return Passwords(Settings.model_validate({"app_env": "testing", **values}))


def test_the_minimum_length_and_strength_are_settings(ours: Passwords) -> None:
    short = "k7#Qz!pw9x"
    fair = "wonderful-1990"
    passwords_with(password_min_length=8).check(short, EMAIL)
    passwords_with(password_min_score=2).check(fair, EMAIL)
    with pytest.raises(WeakPassword):
        ours.check(short, EMAIL)
    with pytest.raises(WeakPassword):
        ours.check(fair, EMAIL)
    with pytest.raises(WeakPassword) as refused:
        passwords_with(password_min_length=20).check(GOOD[:19], EMAIL)

    assert refused.value.sentences == ["Must have 20 to 128 characters."]


def test_without_a_minimum_strength_only_the_length_is_checked() -> None:
    lenient = passwords_with(password_min_length=4, password_min_score=0)

    lenient.check("aaaa", EMAIL)
    with pytest.raises(WeakPassword, match="Choose another password"):
        lenient.check("aaa", EMAIL)


@pytest.mark.parametrize(("name", "least"), [("length", 8), ("score", 2)])
def test_production_accepts_no_weaker_passwords_than_owasp(
    production: dict[str, str], name: str, least: int
) -> None:
    setting = f"password_min_{name}"
    assert getattr(Settings.model_validate({**production, setting: least}), setting) == least

    with pytest.raises(ValidationError, match=f"must be {least} or more in production"):
        Settings.model_validate({**production, setting: least - 1})


def test_the_api_and_its_document_have_the_configured_length(make_app: MakeApp) -> None:
    client = make_app(password_min_length=4, password_min_score=0).test_client()
    schemas = body(client.get("/api/openapi.json"))["components"]["schemas"]
    password = schemas["Registration"]["properties"]["password"]
    assert (password["minLength"], password["maxLength"]) == (4, 128)

    statuses = [
        client.post(f"{PREFIX}/users", json={"email": new_address(), "password": text}).status_code
        for text in ("a" * 3, "a" * 4)
    ]

    assert statuses == [422, 202]


def test_hashes_become_costlier_when_they_are_used(ours: Passwords) -> None:
    costlier = Passwords(Settings.model_validate({"app_env": "testing", "argon2_time_cost": 2}))
    stored = ours.hash(GOOD)

    right, renewed = costlier.verify(GOOD, stored)

    assert right
    assert renewed is not None
    assert costlier.verify(GOOD, renewed) == (True, None)
    assert costlier.verify("wrong", stored) == (False, None)


def test_production_hashes_as_owasp_recommends_and_no_cheaper(production: dict[str, str]) -> None:
    usual = Settings.model_validate(production)
    assert (usual.argon2_time_cost, usual.argon2_memory_kib) == (2, 19_456)
    for passes, least in MIN_KIB.items():
        cost = {"argon2_time_cost": passes, "argon2_memory_kib": least}
        assert Settings.model_validate({**production, **cost}).argon2_memory_kib == least
        with pytest.raises(ValidationError, match=f"must be {least} or more"):
            Settings.model_validate({**production, **cost, "argon2_memory_kib": least - 1})


def test_in_tests_a_hash_costs_a_tenth_of_one_in_production_at_most(
    ours: Passwords, production: dict[str, str]
) -> None:
    def seconds(passwords: Passwords) -> float:
        before = time.process_time()
        passwords.hash(GOOD)
        return time.process_time() - before

    usual = Passwords(Settings.model_validate(production))
    assert min(seconds(ours) for _ in range(5)) < min(seconds(usual) for _ in range(5)) / 10
