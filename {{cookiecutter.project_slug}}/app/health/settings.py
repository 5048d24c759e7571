"""The settings of the probes."""

from pydantic import Field

from app.core.config import CoreSettings


class HealthSettings(CoreSettings):
    """The timeout of the readiness probe."""

    readiness_timeout_seconds: float = Field(default=2.0, gt=0, le=60)
