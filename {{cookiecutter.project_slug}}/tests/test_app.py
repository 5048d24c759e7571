import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import FlaskGroup

from app import create_app
from app.core.config import InvalidSettings
from app.core.process import cli
from app.core.process.cli import env_format
from app.settings import Settings
from conftest import MakeApp, service_variables


def test_without_settings_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "testing")
    monkeypatch.setenv("SERVICE_VERSION", "from the environment")

    app = create_app()

    assert "SERVICE_VERSION=from the environment" in _checked(app)


def test_settings_exported_by_the_shell_do_not_reach_the_tests() -> None:
    names = ["PORT", "SECRET_KEY_FILE", "OTEL_SDK_DISABLED", "FLASK_DEBUG", "http_proxy"]

    assert service_variables([*names, "PATH", "TEST_DATABASE_URL"]) == set(names)
    assert not service_variables(os.environ)


def test_check_prints_the_configuration_with_secrets_masked_and_what_is_unwise(
    make_app: MakeApp, production: dict[str, str]
) -> None:
    # {% if cookiecutter.database != "none" %}
    if production["database_url"].startswith("postgresql"):  # the only driver with this parameter
        production["database_url"] += "?password=hush"
    # {% endif %}
    # {% if cookiecutter.caching %}
    production["redis_url"] += "?password=hush"
    # {% endif %}
    # {% if cookiecutter.tracing %}
    production["otel_exporter_otlp_endpoint"] = "https://hush@collector.example"
    production["otel_exporter_otlp_headers"] = "key=hush"
    # {% endif %}
    printed = _checked(make_app(**production))

    assert "APP_ENV=production" in printed
    assert "SECRET_KEY=**********" in printed
    assert "warning: ALLOWED_HOSTS" in printed
    for value in (production["secret_key"], "pass-word", "hush"):
        assert value not in printed


def test_probes_are_described_for_the_platform(app: Flask) -> None:
    printed = app.test_cli_runner().invoke(args=["probes"]).output

    assert [line.partition(":")[0] for line in printed.splitlines()] == ["liveness", "readiness"]


def test_check_spells_values_as_the_environment_does() -> None:
    assert env_format(None) == ""
    assert env_format(True) == "true"  # noqa: FBT003  a setting's value
    assert env_format(("a.example", "b.example")) == "a.example,b.example"
    assert env_format({"GET /a": "1/hour", "GET /b": "2/hour"}) == "GET /a=1/hour,GET /b=2/hour"
    assert env_format(2.5) == "2.5"


@pytest.fixture
def flask_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Result]]:
    """Run `flask --app app` without any settings, as in a fresh container."""
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        group = FlaskGroup(create_app=create_app, load_dotenv=False)
        return CliRunner().invoke(group, arguments)

    # An application changes these in its process.
    level, hook = logging.getLogger().level, sys.excepthook
    in_thread, unraisable = threading.excepthook, sys.unraisablehook
    yield run
    logging.getLogger().setLevel(level)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hook, in_thread, unraisable
    logging.captureWarnings(capture=False)


def test_a_command_that_needs_no_configuration_runs_without_any(
    flask_command: Callable[..., Result],
) -> None:
    for name in cli.NEED_NO_SETTINGS:
        done = flask_command(name)

        assert done.exit_code == 0, done.stderr
        assert name == "routes" or isinstance(json.loads(done.stdout), dict)
        assert done.stderr == ""


def test_any_other_command_names_what_is_wrong_with_the_configuration(
    flask_command: Callable[..., Result],
) -> None:
    assert "check" in flask_command("--help").stdout
    for arguments in (("check",), ("check", "--strict", "x"), ("shell",)):
        done = flask_command(*arguments)

        assert done.exit_code == 1
        assert "SECRET_KEY: is required in production" in str(done.exception or done.stderr)


@pytest.mark.parametrize("folder", [".", ".."])
def test_flask_reads_no_dotenv_in_production(
    flask_command: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    production: dict[str, str],
    tmp_path: Path,
    folder: str,
) -> None:
    for name, value in production.items():
        monkeypatch.setenv(name.upper(), value)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path(folder, ".env").write_text("APP_ENV=development\n")
    monkeypatch.setenv("FLASK_SKIP_DOTENV", "0")

    assert "FLASK_SKIP_DOTENV: must be 1" in str(flask_command("check").exception)

    monkeypatch.setenv("FLASK_SKIP_DOTENV", "1")
    assert flask_command("check").exit_code == 0


def test_a_server_with_an_invalid_configuration_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.delenv("SECRET_KEY", raising=False)

    with pytest.raises(InvalidSettings, match="SECRET_KEY: is required in production"):
        create_app()


def _checked(app: Flask) -> str:
    result = app.test_cli_runner().invoke(args=["check"])
    assert result.exit_code == 0
    return result.output
