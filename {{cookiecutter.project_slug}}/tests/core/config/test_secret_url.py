import pytest

from app.core.config.secret_url import SecretURL, masked_url

SHOWN = {
    "postgresql://me:hush@h/db?sslmode=require": "postgresql://***@h/db?sslmode=require",
    "postgresql://h/db?user=me&password=hush": "postgresql://h/db?user=***&password=***",
    "postgresql://h/db?PASSWORD=hush&sslmode=allow": "postgresql://h/db?PASSWORD=***&sslmode=allow",
    "postgresql://me:hu@sh@h/db": "postgresql://***@h/db",
    "https://hush@h:8443/path": "https://***@h:8443/path",
    "redis://:hush@[::1]:6379/0": "redis://***@[::1]:6379/0",
    "redis://h/0?hush": "redis://h/0?***",
    "redis://h/0?timeout=1;password=hush": "redis://h/0?timeout=***",
    "redis://h/0#hush": "redis://h/0#***",
    "sqlite:////srv/data/x.sqlite3": "sqlite:////srv/data/x.sqlite3",
    "memory://": "memory://",
}
NOT_UNDERSTOOD = [
    "hush",
    "me:hush@h/db",
    "//me:hush@h/db",
    "redis:me:hush@h",
    "redis://:hu/sh@h/0",
    "redis://:12/hush@h/0",
    "redis://:12?hush@h/0",
    "redis://:12#hush@h/0",
    "redis://h:hush",
    "redis://[hush",
    "redis://hush\x1b[2J",
    "amqp://me:hush@h//;amqp://me:hush@i//",
]


@pytest.mark.attack
def test_a_url_shows_nothing_that_may_be_secret(subtests: pytest.Subtests) -> None:
    for url in [*SHOWN, *NOT_UNDERSTOOD]:
        with subtests.test(url):
            assert masked_url(url) == SHOWN.get(url, "***")
            secret = SecretURL(url)
            assert "hush" not in f"{secret} {secret!r}"


def test_a_url_is_read_when_its_scheme_is_known_and_it_has_a_host() -> None:
    parts = SecretURL("smtp://me:hush@mail.example:25").parts("smtp", "smtps")
    assert parts is not None
    assert (parts.hostname, parts.port) == ("mail.example", 25)
    for wrong in ("http://h", "smtp://", "smtp://h:0", "smtp://h:x", "smtp://[", "smtp"):
        assert SecretURL(wrong).parts("smtp", "smtps") is None
