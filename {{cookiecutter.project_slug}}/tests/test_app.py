import pytest
from flask import Flask

from app import create_app
from app.core.cli import spelled
from conftest import MakeApp


def test_without_settings_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "testing")
    monkeypatch.setenv("SERVICE_VERSION", "from the environment")

    app = create_app()

    assert "SERVICE_VERSION=from the environment" in _checked(app)


def test_check_prints_the_configuration_with_secrets_masked_and_what_is_unwise(
    make_app: MakeApp, production: dict[str, str]
) -> None:
    printed = _checked(make_app(**production))

    assert "APP_ENV=production" in printed
    assert "SECRET_KEY=**********" in printed
    assert "warning: ALLOWED_HOSTS" in printed
    for value in (production["secret_key"], "pass-word"):
        assert value not in printed


def test_probes_are_described_for_the_platform(app: Flask) -> None:
    printed = app.test_cli_runner().invoke(args=["probes"]).output

    assert [line.partition(":")[0] for line in printed.splitlines()] == ["liveness", "readiness"]


def test_check_spells_values_as_the_environment_does() -> None:
    assert spelled(None) == ""
    assert spelled(True) == "true"  # noqa: FBT003  a setting's value
    assert spelled(("a.example", "b.example")) == "a.example,b.example"
    assert spelled({"GET /a": "1/hour", "GET /b": "2/hour"}) == "GET /a=1/hour,GET /b=2/hour"
    assert spelled(2.5) == "2.5"


def _checked(app: Flask) -> str:
    result = app.test_cli_runner().invoke(args=["check"])
    assert result.exit_code == 0
    return result.output
