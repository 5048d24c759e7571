import time
from uuid import UUID

import pytest
from flask import Flask

from app.settings import Settings
from app.users import signed_links
from app.users.signed_links import InvalidLink, Link, Links, Purpose

LINK = Link(UUID(int=7), "state", "ada@mail.example")


def token(links: Links, purpose: Purpose = Purpose.RESET_PASSWORD) -> str:
    return links.to(purpose, LINK).partition("?token=")[2]


@pytest.fixture
def links(app: Flask) -> Links:
    return signed_links.links.of(app)


def test_a_link_has_the_public_url_and_the_signed_content(
    production: dict[str, str],
) -> None:
    production["public_url"] = "https://shop.example/front/"
    production["url_prefix"] = "/front"
    links = Links(Settings.model_validate(production))

    url = links.to(Purpose.RESET_PASSWORD, LINK)

    assert url.startswith("https://shop.example/front/account/reset-password?token=")
    opened = links.open(Purpose.RESET_PASSWORD, url.partition("?token=")[2])
    assert opened == LINK
    assert opened.matches("state")
    assert not opened.matches("another state")


@pytest.mark.attack
def test_a_link_for_one_purpose_never_serves_another(
    links: Links, subtests: pytest.Subtests
) -> None:
    for made in Purpose:
        for used in set(Purpose) - {made}:
            with subtests.test(f"{made} as {used}"), pytest.raises(InvalidLink):
                links.open(used, token(links, made))


@pytest.mark.attack
def test_no_forged_or_late_link_is_followed(
    links: Links, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    good = token(links)
    payload, when, signature = good.rsplit(".", 2)
    other = Links(Settings.model_validate({"app_env": "testing", "secret_key": "of another"}))
    forgeries = {
        "of another service": token(other),
        "without a signature": f"{payload}.{when}.",
        "another content": f"{payload[:-2]}AA.{when}.{signature}",
        "another time": f"{payload}.AAAA.{signature}",
        "a part": payload,
        "beyond ASCII": "\u00e9.\u00e9.\u00e9",
        "nothing": "",
    }
    for name, each in forgeries.items():
        with subtests.test(name), pytest.raises(InvalidLink):
            links.open(Purpose.RESET_PASSWORD, each)
    assert links.open(Purpose.RESET_PASSWORD, good) == LINK

    late = time.time() + 1_800 + 2
    monkeypatch.setattr("time.time", lambda: late)
    with subtests.test("too late"), pytest.raises(InvalidLink):
        links.open(Purpose.RESET_PASSWORD, good)
