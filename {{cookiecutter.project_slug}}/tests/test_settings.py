import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.config import CoreSettings, Environment, InvalidSettings
from app.core.config.settings import DEVELOPMENT_SECRET
from app.settings import Settings
from tests import environments

GOOD_SECRET = environments.PRODUCTION["secret_key"]
OTHER_SECRET = "4c1fe07b92a85d36e3f7c0819a5b4d26f80e7c31b95da2644f6b0e97d3c8a152"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove all settings; run in a folder without `.env`."""
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
        monkeypatch.delenv(f"{field.upper()}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def in_production(monkeypatch: pytest.MonkeyPatch, production: dict[str, str]) -> None:
    for name, value in production.items():
        monkeypatch.setenv(name.upper(), value)


def test_production_is_the_default_environment() -> None:
    with pytest.raises(InvalidSettings) as stopped:
        Settings.load()

    assert stopped.value.problems["SECRET_KEY"] == "is required in production"


def test_every_wrong_variable_is_named_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    monkeypatch.setenv("APP_ENV", "staging")

    with pytest.raises(InvalidSettings) as stopped:
        Settings.load()

    assert {"PORT", "LOG_LEVEL", "APP_ENV"} <= set(stopped.value.problems)
    assert "many" not in str(stopped.value)
    assert str(stopped.value).count("\n") > 3


def test_a_weak_secret_key_is_refused_in_production(production: dict[str, str]) -> None:
    for secret in (
        "",
        "too-short",
        "a" * 64,
        "abcdefgh" * 8,
        "change-me-" * 5,
        "my-Secret-0123456789-abcdefghijkl",
    ):
        with pytest.raises(ValidationError) as refused:
            Settings.model_validate({**production, "secret_key": secret})

        assert [error["loc"] for error in refused.value.errors()] == [("secret_key",)]


@pytest.mark.usefixtures("in_production")
def test_a_complete_production_environment_is_taken() -> None:
    settings = Settings.load()

    assert settings.in_production
    assert settings.logs_as_json
    assert settings.secret_key.get_secret_value() == GOOD_SECRET


def test_development_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "development")
    # {% if cookiecutter.auth == "oidc" %}
    # It also starts without a provider, with a warning.
    monkeypatch.setenv("OIDC_ISSUER", "http://127.0.0.1:8080/realms/shop")
    monkeypatch.setenv("OIDC_AUDIENCE", "api")
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    monkeypatch.setenv("OIDC_CLIENT_ID", "shop")
    # {% endif %}

    settings = Settings.load()

    assert settings.secret_key.get_secret_value() == DEVELOPMENT_SECRET
    assert not settings.logs_as_json
    assert settings.warnings() == []


def test_dotenv_counts_in_development_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("APP_ENV=development\nPORT=9000\nLOG_LEVEL=DEBUG\nOTHER=1\n")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")

    settings = Settings.load()

    assert settings.app_env is Environment.DEVELOPMENT
    assert settings.port == 9000
    assert settings.log_level == "ERROR"


@pytest.mark.usefixtures("in_production")
def test_dotenv_means_nothing_in_production(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("APP_ENV=development\nPORT=9000\n")

    assert Settings.load().port == 8000


def test_a_dotenv_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=9000\nSERVICE_NAME=caf\xe9\n")
    monkeypatch.setenv("APP_ENV", "development")

    with pytest.raises(InvalidSettings) as stopped:
        Settings.load()

    assert stopped.value.problems == {".env": "cannot be read as UTF-8"}


@pytest.mark.parametrize("host", ["x86_64-conda-linux-gnu", "laptop.local", "cafe", "abc.de"])
def test_a_variable_of_another_program_is_ignored_with_a_warning(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENV", "testing")
    monkeypatch.setenv("HOST", host)
    ports = [field.upper() for field in Settings.model_fields if field.endswith("port")]
    for name, link in zip(
        ports, itertools.cycle(["tcp://10.0.0.1:80", "udp://[fd00::1]:53"]), strict=False
    ):
        monkeypatch.setenv(name, link)

    settings = Settings.load()

    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    warnings = settings.warnings()
    for name in ("HOST", *ports):
        assert len([each for each in warnings if each.startswith(f"{name} is ignored")]) == 1


def test_a_mistyped_address_or_port_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for host, port in (
        ("0.0.0.0.0", "80 80"),
        ("[::]", "tcp://10.0.0.1"),
        ("127.1", "http://a:80"),
    ):
        monkeypatch.setenv("HOST", host)
        monkeypatch.setenv("PORT", port)

        with pytest.raises(InvalidSettings) as stopped:
            Settings.load()

        assert "must be an IP address such as" in stopped.value.problems["HOST"]
        assert "PORT" in stopped.value.problems


def test_gunicorn_listens_at_an_address_or_at_localhost() -> None:
    for host in ("localhost", "127.0.0.1", "0.0.0.0", "::1"):  # noqa: S104  nothing listens
        assert Settings.model_validate({**environments.TESTING, "host": host}).host == host
    with pytest.raises(ValidationError, match="must be an IP address"):
        Settings.model_validate({**environments.TESTING, "host": "x86_64-conda-linux-gnu"})


def test_telemetry_has_the_name_and_the_version_of_the_service() -> None:
    settings = CoreSettings(
        app_env=Environment.TESTING, service_name="shop", service_version="1.2.3"
    )

    assert settings.telemetry_name == "shop"
    assert settings.telemetry_version == "1.2.3"


def test_a_dotenv_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfAPP_ENV=development\r\nPORT=9000\r\n")

    assert Settings.load().port == 9000


@pytest.mark.usefixtures("in_production")
def test_white_space_around_a_value_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", f" {OTHER_SECRET}\r\n")
    monkeypatch.setenv("SERVICE_VERSION", " \n")

    settings = Settings.load()

    assert settings.secret_key.get_secret_value() == OTHER_SECRET
    assert settings.service_version == "unknown"


@pytest.mark.usefixtures("in_production")
def test_quotes_that_came_with_a_value_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", '"shop.example"')
    monkeypatch.setenv("SERVICE_VERSION", "''")
    monkeypatch.setenv("SECRET_KEY", f'"{OTHER_SECRET}"')

    with pytest.raises(InvalidSettings) as stopped:
        Settings.load()

    assert set(stopped.value.problems) == {"ALLOWED_HOSTS", "SERVICE_VERSION", "SECRET_KEY"}
    assert all("quotes around it" in problem for problem in stopped.value.problems.values())
    assert OTHER_SECRET not in str(stopped.value)


def test_a_host_in_dotenv_belongs_to_this_service(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("APP_ENV=development\nHOST=shop.example\n")

    with pytest.raises(InvalidSettings, match="HOST: must be an IP address"):
        Settings.load()


@pytest.mark.usefixtures("in_production")
def test_a_setting_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(f"\N{BYTE ORDER MARK}{OTHER_SECRET}\r\n".encode())
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setenv("SECRET_KEY_FILE", str(secret))

    assert Settings.load().secret_key.get_secret_value() == OTHER_SECRET


@pytest.mark.usefixtures("in_production")
def test_a_file_that_cannot_be_read_or_contradicts_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("PORT_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("SERVICE_NAME_FILE", str(tmp_path / "empty"))
    (tmp_path / "empty").write_text("\n")

    with pytest.raises(InvalidSettings) as stopped:
        Settings.load()

    assert stopped.value.problems == {
        "SECRET_KEY": "is set twice; keep either SECRET_KEY or SECRET_KEY_FILE",
        "PORT": "cannot be read from the file that PORT_FILE names",
        "SERVICE_NAME": "is empty in the file that SERVICE_NAME_FILE names",
    }


def test_secrets_never_print(production: dict[str, str]) -> None:
    settings = Settings.model_validate(production)

    assert GOOD_SECRET not in f"{settings!r} {settings} {settings.model_dump()}"


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "development")
    monkeypatch.setenv("ALLOWED_HOSTS", "shop.example, www.shop.example,")

    assert Settings.load().allowed_hosts == ("shop.example", "www.shop.example")


def test_a_mistyped_argument_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"app_env": "testing", "prot": 1})


@pytest.mark.process
def test_a_process_with_an_invalid_setting_stops_with_the_message_and_no_traceback() -> None:
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "APP_ENV": "production", "PORT": "x"}

    stopped = subprocess.run(
        [sys.executable, "-c", "from app.settings import Settings; Settings.load()"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert stopped.returncode == 1
    assert "SECRET_KEY: is required in production" in stopped.stderr
    assert "PORT: " in stopped.stderr
    assert "Traceback" not in stopped.stderr
