"""How many emails one recipient gets: counted where an email is handed over, so for every sender.

Anybody can have an email sent to anybody's address: a notice, a password reset, a confirmation. An email
over the limit is dropped with a log line, and whoever asked for it learns nothing. Each share has a count
of its own, so that the emails of one cannot use up those of another.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from flask import Flask
from pydantic import Field

from app.core import (  # one line where it fits
    config,
    # {% if cookiecutter.rate_limiting and cookiecutter.database == "none" %}
    http,
    # {% endif %}
    pseudonyms,
)
from app.core.mail import (  # one line where it fits
    # {% if cookiecutter.database == "none" %}
    recipient_counters,
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    sent_emails,
    # {% endif %}
)

WINDOW_SECONDS = 1_800


class RecipientSettings(  # one line where it fits
    # {% if cookiecutter.rate_limiting and cookiecutter.database == "none" %}
    http.redis_server.RedisSettings,
    # {% endif %}
    config.CoreSettings,
):
    """How many emails one recipient gets."""

    email_recipient_limit: int = Field(default=6, ge=1, le=1_000_000)
    """Of each share, within half an hour."""


@dataclass(frozen=True, slots=True)
class Share:
    """Emails that are counted together for one recipient."""

    name: str
    most: int | None = None
    """Within WINDOW_SECONDS; EMAIL_RECIPIENT_LIMIT if None."""


OTHER = Share("other")


class LimitReached(Exception):  # noqa: N818  it is no error
    """The recipient has had all emails of this share."""


class Counts(Protocol):
    """Counts emails. One that is tried again has its Message-ID again, and counts once."""

    def add(self, share: str, recipient: str, message_id: str, seconds: int) -> int:
        """Count an email, and return how many there were within these seconds, this one included."""

    def withdraw(self, message_id: str) -> None:
        """Count an email no more."""


class Recipients:
    """The counts of one application."""

    _counts: Counts

    def __init__(self, app: Flask, settings: RecipientSettings) -> None:
        """Take the limit, and choose where to count."""
        self._app = app
        self._most = settings.email_recipient_limit
        # {% if cookiecutter.database == "none" and cookiecutter.rate_limiting %}
        self._counts = recipient_counters.Counters(settings.redis_url, settings.redis_ca_file)
        # {% endif %}
        # {% if cookiecutter.database == "none" and not cookiecutter.rate_limiting %}
        self._counts = recipient_counters.Counters()
        # {% endif %}
        # {% if cookiecutter.database != "none" %}
        self._counts = sent_emails.StoredCounts()
        # {% endif %}

    @contextmanager
    def counted(self, share: Share, to: str, message_id: str) -> Iterator[None]:
        """Count the email that the block hands over; one that fails does not count.

        Raises:
            LimitReached: when the recipient has had enough; the block is not run.

        """
        with self._app.app_context():
            recipient = pseudonyms.of_recipient(to)
            number = self._counts.add(share.name, recipient, message_id, WINDOW_SECONDS)
            if number > (share.most or self._most):
                self._counts.withdraw(message_id)
                raise LimitReached
        try:
            yield
        except Exception:
            with self._app.app_context():
                self._counts.withdraw(message_id)
            raise
