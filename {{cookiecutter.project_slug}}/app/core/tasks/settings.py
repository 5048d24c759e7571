"""The settings of background tasks."""

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from app.core.config import CoreSettings, Environment, required_in_production, server_url
from app.core.config.secret_url import SecretURL
from app.core.config.tls import CAFile
from app.core.tasks import celery_environment

BROKER_SCHEMES = ("amqp", "amqps", "redis", "rediss")
# {% if cookiecutter.database == "none" %}
# On Redis it also delays the redelivery of a dead worker's message.
DEFAULT_MAX_BACKOFF_SECONDS = 300
# {% endif %}
# {% if cookiecutter.database != "none" %}
DEFAULT_MAX_BACKOFF_SECONDS = 3_600
# {% endif %}
KILL_DELAY_SECONDS = 5  # from a task's soft time limit to the hard one, which kills it


class TaskSettings(CoreSettings):
    """Background tasks."""

    broker_url: SecretURL | None = Field(
        default=None, validate_default=True, examples=["redis://localhost:6379/1"]
    )
    """The URL of the broker: amqp:// (RabbitMQ) or redis://, or amqps:// and rediss:// for TLS with
    verification; unset in development: tasks run immediately in the request."""
    broker_ca_file: CAFile = None
    """A file of the certificate authorities for the broker, in PEM; unset: those of the system."""
    task_publish_timeout_seconds: float = Field(default=1.0, gt=0, le=30)
    """The maximum wait of a request for the broker, in seconds."""
    task_time_limit_seconds: int = Field(default=60, ge=1, le=3_600)
    """The time limit of one run of a task, in seconds."""
    task_max_attempts: int = Field(default=16, ge=1, le=100)
    """The maximum number of attempts of a failing task."""
    task_max_backoff_seconds: int = Field(default=DEFAULT_MAX_BACKOFF_SECONDS, ge=1, le=3_600)
    """The maximum wait between two attempts of a task, in seconds."""
    worker_heartbeat_file: Path | None = None
    """A file that a worker touches every two seconds while it is connected; unset: none."""

    @field_validator("broker_url")
    @classmethod
    def _a_broker(cls, value: SecretURL | None, info: ValidationInfo) -> SecretURL | None:
        required_in_production(value, info)
        # Tests may use kombu's in-memory transport.
        testing = info.data.get("app_env") is Environment.TESTING
        if value and not (testing and value.get_secret_value().startswith("memory://")):
            if not value.parts(*BROKER_SCHEMES):
                message = (
                    "must be amqp://user:password@host:5672/vhost or redis://host:6379/0, or amqps:// "
                    "or rediss:// for TLS"
                )
                raise ValueError(message)
            server_url.check(value)
        return value

    @field_validator("broker_ca_file")
    @classmethod
    def _for_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return server_url.needs_tls(value, info, "broker_url")

    def warnings(self) -> list[str]:
        """Warn of variables of Celery, and when the broker's certificate is not verified."""
        found = [*super().warnings(), *celery_environment.IGNORED]
        if self.broker_url and not server_url.read(self.broker_url).verified:
            found.append("BROKER_URL disables verification of the server's certificate.")
        return found

    @property
    def task_hard_time_limit_seconds(self) -> int:
        """The hard time limit of a task, at which it is killed."""
        return self.task_time_limit_seconds + KILL_DELAY_SECONDS
