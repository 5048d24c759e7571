"""The settings of the probes."""

from pydantic import Field

from app.core.config import CoreSettings


class HealthSettings(CoreSettings):
    """Health probes."""

    readiness_timeout_seconds: float = Field(default=2.0, gt=0, le=60)
    """The time limit of the readiness probe for its checks, in seconds."""
