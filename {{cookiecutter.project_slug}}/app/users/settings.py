"""The settings of accounts."""

from app.users.passwords import PasswordSettings
from app.users.signed_links import LinkSettings


class UserSettings(LinkSettings, PasswordSettings):
    """Accounts."""

    registration_open: bool = True
    """Whether everyone may register an account; otherwise only operators can create one."""
