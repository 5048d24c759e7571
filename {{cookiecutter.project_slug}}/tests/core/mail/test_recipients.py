import pytest
from flask import Flask

from app.core.mail.recipients import EmailCategory, LimitReached, RecipientLimits
from app.settings import Settings

ADA = "ada@mail.example"


@pytest.fixture
def recipients(app: Flask) -> RecipientLimits:
    settings = {"app_env": "testing", "email_recipient_limit": 2}
    return RecipientLimits(app, Settings.model_validate(settings))


def deliver_all(recipients: RecipientLimits, to: str, category: EmailCategory, names: str) -> str:
    """Deliver these emails; return those within the limit."""
    done = ""
    for name in names:
        try:
            with recipients.enforce(category, to, f"<{category.name}.{to}.{name}@shop.example>"):
                done += name
        except LimitReached:
            pass
    return done


@pytest.mark.attack
def test_a_recipient_gets_so_many_emails_of_each_share(recipients: RecipientLimits) -> None:
    notices, resets = EmailCategory("notice"), EmailCategory("reset", max_emails=3)

    assert deliver_all(recipients, ADA, notices, "abcd") == "ab"
    assert deliver_all(recipients, ADA, notices, "ef") == ""
    assert deliver_all(recipients, ADA, resets, "abcd") == "abc"
    assert deliver_all(recipients, "bob@mail.example", notices, "abc") == "ab"


@pytest.mark.attack
def test_spellings_of_one_mailbox_are_counted_together(recipients: RecipientLimits) -> None:
    notices = EmailCategory("notices")

    for spelling in ("ada+1@mail.example", "ada+2+x@mail.example"):
        assert deliver_all(recipients, spelling, notices, "a") == "a"
    for spelling in (ADA, "ada+3@mail.example", "a.d.a@mail.example", "ad.a+4@mail.example"):
        assert deliver_all(recipients, spelling, notices, "a") == ""
    for other in ("ada@other.example", "+ada@mail.example", "+bob@mail.example"):
        assert deliver_all(recipients, other, notices, "a") == "a"


def test_an_email_that_is_tried_again_counts_once(recipients: RecipientLimits) -> None:
    category = EmailCategory("retried")
    for _ in range(5):
        with pytest.raises(OSError, match="busy"), recipients.enforce(category, ADA, "<a@shop>"):
            raise OSError("busy")

    with recipients.enforce(category, ADA, "<a@shop>"):
        pass
    assert deliver_all(recipients, ADA, category, "bc") == "b"
