"""The settings of accounts."""

from app.users.passwords import PasswordSettings
from app.users.signed_links import LinkSettings


class UserSettings(LinkSettings, PasswordSettings):
    """Accounts."""

    registration_open: bool = True
    """Whether everyone may register an account; otherwise only operators can create one."""
    email_confirmation_required: bool = True
    """Whether a new account can log in only after its address was confirmed by the emailed link;
    otherwise the address counts as confirmed."""

    def warnings(self) -> list[str]:
        """Return the warnings, with one if addresses are not confirmed."""
        found = super().warnings()
        if not self.email_confirmation_required:
            found.append(
                "EMAIL_CONFIRMATION_REQUIRED is false: anyone can register and use the address of "
                "somebody else, and learn which addresses have an account."
            )
        return found
