"""Links in letters: signed, each for one purpose, for a time, and only while a state lasts.

A link carries the fingerprint of the state that it changes. Following it changes that state, so it
works once, and whatever else changes the state ends it too.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import cast
from uuid import UUID

from flask import Flask, current_app
from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import Field

from app.core.config.public_url import PublicURLSettings
from app.core.errors import Problem


class Purpose(StrEnum):
    """What a link is for; also its path below /account."""

    VERIFY_EMAIL = "verify-email"
    RESET_PASSWORD = "reset-password"  # noqa: S105  a path
    CHANGE_EMAIL = "change-email"


class LinkSettings(PublicURLSettings):
    """Links in emails."""

    reset_link_seconds: int = Field(default=1_800, ge=60, le=86_400)
    """The lifetime of a link that resets a password, in seconds."""
    email_link_seconds: int = Field(default=86_400, ge=60, le=604_800)
    """The lifetime of a link that confirms an email address, in seconds."""


class InvalidLink(Problem):
    """The link is forged, expired, used, or for something else; it is not told which."""

    status = 400
    code = "invalid_link"
    detail = "This link is not good, or not any more; ask for a new one."


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says."""

    account: UUID
    state: str
    email: str
    """The address that it was sent to."""

    def fits(self, state: str) -> bool:
        """Tell whether the state is still the one that it was made for."""
        return hmac.compare_digest(self.state, state)


class Links:
    """Seals links and opens them."""

    def __init__(self, settings: LinkSettings) -> None:
        """Take the secret, the place and the times."""
        self._secret = settings.secret_key.get_secret_value()
        self._place = settings.public_url
        self._seconds = {
            Purpose.VERIFY_EMAIL: settings.email_link_seconds,
            Purpose.RESET_PASSWORD: settings.reset_link_seconds,
            Purpose.CHANGE_EMAIL: settings.email_link_seconds,
        }

    def to(self, purpose: Purpose, link: Link) -> str:
        """Return the URL to put into a letter."""
        token = self._serializer(purpose).dumps([link.account.hex, link.state, link.email])
        return f"{self._place}/account/{purpose}?token={token}"

    def open(self, purpose: Purpose, token: str) -> Link:
        """Return what a token says.

        Raises:
            InvalidLink: when it is not one of ours, for this purpose, of late.

        """
        try:
            account, state, email = self._serializer(purpose).loads(
                token, max_age=self._seconds[purpose]
            )
        except BadData:
            raise InvalidLink from None
        return Link(UUID(account), state, email)

    def _serializer(self, purpose: Purpose) -> URLSafeTimedSerializer:
        """Sign in the name of the purpose, so that a link for one never serves another."""
        options = {"digest_method": hashlib.sha256}
        return URLSafeTimedSerializer(self._secret, f"link {purpose}", signer_kwargs=options)


def of_app() -> Links:
    """Return the links of the current application."""
    return cast("Links", current_app.extensions["links"])


def init_app(app: Flask, settings: LinkSettings) -> None:
    """Let this application send links."""
    app.extensions["links"] = Links(settings)
