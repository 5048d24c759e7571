"""What logins can be told."""

from datetime import timedelta

from pydantic import Field

from app.core.config import CoreSettings


class LoginSettings(CoreSettings):
    """Who may log in, and for how long."""

    login_days: int = Field(default=30, ge=1, le=365)
    """However often it is used, a login ends then."""
    # {% if cookiecutter.auth == "jwt" %}
    registration_open: bool = True
    """Whether anybody may make an account."""
    # {% endif %}

    @property
    def session_life(self) -> timedelta:
        """The longest that a login lasts."""
        return timedelta(days=self.login_days)
