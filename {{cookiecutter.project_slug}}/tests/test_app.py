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


def test_check_prints_the_configuration_with_secrets_masked(
    make_app: MakeApp, production: dict[str, str]
) -> None:
    printed = _checked(make_app(**production))

    assert "APP_ENV=production" in printed
    assert "SECRET_KEY=**********" in printed
    for value in (production["secret_key"], "pass-word"):
        assert value not in printed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (("a.example", "b.example"), "a.example,b.example"),
        ({"GET /a": "1/hour", "GET /b": "2/hour"}, "GET /a=1/hour,GET /b=2/hour"),
        (2.5, "2.5"),
    ],
)
def test_check_spells_values_as_the_environment_does(value: object, text: str) -> None:
    assert spelled(value) == text


def test_check_says_what_is_unwise(make_app: MakeApp) -> None:
    assert "warning: ALLOWED_HOSTS" in _checked(make_app(allowed_hosts=("*",)))


def _checked(app: Flask) -> str:
    result = app.test_cli_runner().invoke(args=["check"])
    assert result.exit_code == 0
    return result.output
