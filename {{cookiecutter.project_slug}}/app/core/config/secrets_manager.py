"""Settings from a secret in AWS Secrets Manager, for those that no variable or file sets.

The secret is a JSON object whose keys are names of settings: `{"SECRET_KEY": "…"}`. It requires the
optional dependencies `aws` of this service (docs/secrets.md).
"""

import os
from typing import Any

from pydantic_settings import AWSSecretsManagerSettingsSource, BaseSettings, InitSettingsSource

from app.core.config.sources import stripped

SETTING = "AWS_SECRETS_MANAGER_ID"


class SecretsManager(InitSettingsSource):
    """The settings in the secret that AWS_SECRETS_MANAGER_ID names."""

    def __init__(self, settings_cls: type[BaseSettings], problems: dict[str, str]) -> None:
        secret_id = os.environ.get(SETTING)
        values = _read(settings_cls, secret_id, problems) if secret_id else {}
        super().__init__(settings_cls, values)


def _read(cls: type[BaseSettings], secret_id: str, problems: dict[str, str]) -> dict[str, Any]:
    """Return the settings in a secret; a problem never quotes its content."""
    found: dict[str, Any] = {}
    try:
        found = AWSSecretsManagerSettingsSource(cls, secret_id, case_sensitive=False)()
    except ImportError:
        problems[SETTING] = "needs boto3; install requirements-aws.txt instead of requirements.txt"
    except Exception as error:  # noqa: BLE001  a process with half its settings must not start
        # The type only, because some messages quote what was sent or found.
        problems[SETTING] = (
            f"names a secret that cannot be read ({type(error).__name__}); it must be a JSON "
            "object, in AWS_REGION, that this process may get (secretsmanager:GetSecretValue)"
        )
    return {name: value for name, value in stripped(found).items() if name in cls.model_fields}
