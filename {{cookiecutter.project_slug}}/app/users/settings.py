"""The settings of accounts."""

from app.users.passwords import PasswordSettings
from app.users.signed_links import LinkSettings


class UserSettings(LinkSettings, PasswordSettings):
    """The settings of registration, links and password hashes."""

    registration_open: bool = True
    """Whether users may register themselves."""
