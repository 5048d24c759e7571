from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.config import InvalidSettings, secrets_manager
from app.settings import Settings

SECRET = "4c1fe07b92a85d36e3f7c0819a5b4d26f80e7c31b95da2644f6b0e97d3c8a152"


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, production: dict[str, str]) -> None:
    """Name a secret in production settings without SECRET_KEY."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in production.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setenv("AWS_SECRETS_MANAGER_ID", "shop/production")
    monkeypatch.chdir(tmp_path)


def stand_in(
    monkeypatch: pytest.MonkeyPatch, get_secret_value: Callable[[], dict[str, Any]]
) -> None:
    def source(_cls: type, secret_id: str, *, case_sensitive: bool) -> Callable[[], dict[str, Any]]:
        assert (secret_id, case_sensitive) == ("shop/production", False)
        return get_secret_value

    monkeypatch.setattr(secrets_manager, "AWSSecretsManagerSettingsSource", source)


def test_a_secret_fills_in_what_the_environment_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, lambda: {"secret_key": SECRET, "log_level": "ERROR", "other": "x"})
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")

    settings = Settings.load()

    assert settings.secret_key.get_secret_value() == SECRET
    assert settings.log_level == "DEBUG"


@pytest.mark.attack
def test_every_failure_of_the_secrets_manager_is_one_sentence_without_the_secret(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    for error, message in (
        (ImportError(SECRET), "needs boto3"),
        (RuntimeError(SECRET), "cannot be read (RuntimeError)"),
        (ValueError(SECRET), "cannot be read (ValueError)"),
    ):

        def fail(error: Exception = error) -> dict[str, Any]:
            raise error

        stand_in(monkeypatch, fail)
        with subtests.test(message), pytest.raises(InvalidSettings) as stopped:
            Settings.load()
        assert message in stopped.value.problems["AWS_SECRETS_MANAGER_ID"]
        assert SECRET not in str(stopped.value)
