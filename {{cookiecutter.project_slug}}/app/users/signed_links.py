"""Signed links in emails. Each has one purpose and a limited lifetime, and works once.

A link carries a digest of the account's state. Using the link changes that state, which invalidates
it, as any other change of the state does.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from flask import Flask
from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import Field

from app.core.config.public_url import PublicURLSettings
from app.core.errors import Problem
from app.core.extension import Extension


class Purpose(StrEnum):
    """The purpose of a link, which is also its path below /account."""

    VERIFY_EMAIL = "verify-email"
    RESET_PASSWORD = "reset-password"  # noqa: S105  a path
    CHANGE_EMAIL = "change-email"


class LinkSettings(PublicURLSettings):
    """Links in emails."""

    reset_link_ttl_seconds: int = Field(default=1_800, ge=60, le=86_400)
    """The lifetime of a link that resets a password, in seconds."""
    email_link_ttl_seconds: int = Field(default=86_400, ge=60, le=604_800)
    """The lifetime of a link that confirms an email address, in seconds."""


class InvalidLink(Problem):
    """The link is forged, expired, used or for another purpose. The response does not say which."""

    status = 400
    code = "invalid_link"
    detail = "This link is invalid or has expired. Request a new one."


@dataclass(frozen=True, slots=True)
class Link:
    """The contents of a link's token."""

    account: UUID
    state: str
    email: str
    """The address that the link was sent to."""

    def matches(self, state: str) -> bool:
        """Return whether the account's state is still the one that the link was made for."""
        return hmac.compare_digest(self.state, state)


class Links:
    """Signs links and verifies them."""

    def __init__(self, settings: LinkSettings) -> None:
        self._secret = settings.secret_key.get_secret_value()
        self._place = settings.public_url
        self._seconds = {
            Purpose.VERIFY_EMAIL: settings.email_link_ttl_seconds,
            Purpose.RESET_PASSWORD: settings.reset_link_ttl_seconds,
            Purpose.CHANGE_EMAIL: settings.email_link_ttl_seconds,
        }

    def to(self, purpose: Purpose, link: Link) -> str:
        """Return the URL of a link."""
        token = self._serializer(purpose).dumps([link.account.hex, link.state, link.email])
        return f"{self._place}/account/{purpose}?token={token}"

    def open(self, purpose: Purpose, token: str) -> Link:
        """Verify a token and return its contents.

        Raises:
            InvalidLink: when the signature or the purpose is wrong, or the token has expired.

        """
        try:
            account, state, email = self._serializer(purpose).loads(
                token, max_age=self._seconds[purpose]
            )
        except BadData:
            raise InvalidLink from None
        return Link(UUID(account), state, email)

    def _serializer(self, purpose: Purpose) -> URLSafeTimedSerializer:
        """Salt the key with the purpose, so that a link for one purpose is invalid for another."""
        options = {"digest_method": hashlib.sha256}
        return URLSafeTimedSerializer(self._secret, f"link {purpose}", signer_kwargs=options)


links = Extension[Links]("links")


def init_app(app: Flask, settings: LinkSettings) -> None:
    """Set up link signing."""
    links.set(app, Links(settings))
