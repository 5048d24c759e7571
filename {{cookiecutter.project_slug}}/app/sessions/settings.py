"""The settings of sessions."""

from datetime import timedelta

from pydantic import Field

from app.core.config import CoreSettings


class SessionSettings(CoreSettings):
    """How long a login lasts."""

    session_max_age_days: int = Field(default=30, ge=1, le=365)
    """However often it is used, a login ends then."""

    @property
    def session_life(self) -> timedelta:
        """The longest that a login lasts."""
        return timedelta(days=self.session_max_age_days)
