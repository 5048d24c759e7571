"""The settings of sessions."""

from datetime import timedelta

from pydantic import Field

from app.core.config import CoreSettings


class SessionSettings(CoreSettings):
    """Logins."""

    login_days: int = Field(default=30, ge=1, le=365)
    """The maximum age of a login, in days, even if it is used."""

    @property
    def session_life(self) -> timedelta:
        """The longest that a login lasts."""
        return timedelta(days=self.login_days)
