"""The settings of accounts."""

from app.users.passwords import PasswordSettings
from app.users.signed_links import LinkSettings


class UserSettings(LinkSettings, PasswordSettings):
    """How accounts are made and kept."""

    registration_open: bool = True
    """Whether anybody may make an account."""
