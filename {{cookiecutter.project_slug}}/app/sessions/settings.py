"""The settings of sessions."""

from datetime import timedelta

from pydantic import Field

from app.core.config import CoreSettings


class SessionSettings(CoreSettings):
    """Logins."""

    session_max_age_days: int = Field(default=30, ge=1, le=365)
    """The maximum age of a login, in days, even if it is used."""

    @property
    def session_max_age(self) -> timedelta:
        """The maximum lifetime of a session."""
        return timedelta(days=self.session_max_age_days)
