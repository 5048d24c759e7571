"""Limits the emails to each recipient; they are counted on delivery, whatever code sends them.

Any client can have an email sent to any address: a notice, a password reset, a confirmation. An
email over the limit is dropped and logged, and the response does not reveal it. Each category has
its own count, so that emails of one category cannot use up the limit of another.
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
    """Emails to one recipient."""

    email_recipient_limit: int = Field(default=6, ge=1, le=1_000_000)
    """The maximum number of emails of one category to one recipient in half an hour."""


@dataclass(frozen=True, slots=True)
class EmailCategory:
    """A category of emails, counted together for each recipient."""

    name: str
    max_emails: int | None = None
    """The maximum within WINDOW_SECONDS; EMAIL_RECIPIENT_LIMIT if None."""


OTHER = EmailCategory("other")


class LimitReached(Exception):  # noqa: N818  not an error
    """The recipient has reached the limit of this category."""


class EmailCounter(Protocol):
    """Counts emails. A retry has the same Message-ID and is not counted again."""

    def add(self, category: str, recipient: str, message_id: str, seconds: int) -> int:
        """Count an email; return how many there were within `seconds`, including this one."""

    def withdraw(self, message_id: str) -> None:
        """Remove an email from the count."""


class RecipientLimits:
    """Enforces the limits of one application."""

    _counter: EmailCounter

    def __init__(self, app: Flask, settings: RecipientSettings) -> None:
        self._app = app
        self._max_emails = settings.email_recipient_limit
        # {% if cookiecutter.database == "none" and cookiecutter.rate_limiting %}
        self._counter = recipient_counters.FixedWindowCounter(
            settings.redis_url, settings.redis_ca_file
        )
        # {% endif %}
        # {% if cookiecutter.database == "none" and not cookiecutter.rate_limiting %}
        self._counter = recipient_counters.FixedWindowCounter()
        # {% endif %}
        # {% if cookiecutter.database != "none" %}
        self._counter = sent_emails.DatabaseCounter()
        # {% endif %}

    @contextmanager
    def enforce(self, category: EmailCategory, to: str, message_id: str) -> Iterator[None]:
        """Count the email that the block sends; one that fails does not count.

        Raises:
            LimitReached: when the recipient has reached the limit; the block is not run.

        """
        with self._app.app_context():
            recipient = pseudonyms.of_recipient(to)
            number = self._counter.add(category.name, recipient, message_id, WINDOW_SECONDS)
            if number > (category.max_emails or self._max_emails):
                self._counter.withdraw(message_id)
                raise LimitReached
        try:
            yield
        except Exception:
            with self._app.app_context():
                self._counter.withdraw(message_id)
            raise
