"""Settings from a secret in AWS Secrets Manager, for those that no variable or file sets.

The secret is a JSON object whose keys are names of settings: `{"SECRET_KEY": "…"}`. It requires the
optional dependencies `aws` of this service (docs/secrets.md).
"""

from typing import Any

from pydantic_settings import AWSSecretsManagerSettingsSource, BaseSettings

NAME = "AWS_SECRETS_MANAGER_ID"


def read(cls: type[BaseSettings], secret_id: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the settings in a secret, and its problems, which never quote its content."""
    try:
        found = AWSSecretsManagerSettingsSource(cls, secret_id, case_sensitive=False)()
    except ImportError:
        return {}, {NAME: "needs boto3; install requirements-aws.txt instead of requirements.txt"}
    except Exception as error:  # noqa: BLE001  a process with half its settings must not start
        # The type only, because some messages quote what was sent or found.
        return {}, {
            NAME: (
                f"names a secret that cannot be read ({type(error).__name__}); it must be a JSON "
                "object, in AWS_REGION, that this process may get (secretsmanager:GetSecretValue)"
            )
        }
    return {name: value for name, value in found.items() if name in cls.model_fields}, {}
