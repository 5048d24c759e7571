"""Typed settings from the environment: invalid ones are reported at start, secrets are masked."""

import ipaddress
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.core.config import secret_strength, secrets_manager, sources

PROJECT_SLUG = "{{cookiecutter.project_slug}}"
MIN_SECRET_LENGTH = 32
# Unreserved characters (RFC 3986, 2.3), which no encoding changes. No segment is . or ..
PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]{1,64}){1,8}", re.ASCII)
# A name, or a dot and a domain for all of its subdomains; a port is ignored. No IPv6 addresses:
# werkzeug does not accept them.
HOST_NAME = re.compile(r"\*|[^\s:/@\[\]]+(?::[0-9]{1,5})?")
DEVELOPMENT_SECRET = "development-only-refused-in-production"  # noqa: S105  refused in production


class Environment(StrEnum):
    """Where the process runs; it decides how strict the settings are."""

    DEVELOPMENT = "development"
    TESTING = "testing"
    PRODUCTION = "production"


class InvalidSettings(SystemExit):
    """Ends the process with exit code 1 and one message that lists every invalid setting.

    `problems` maps the name of an environment variable to what is wrong with it.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        listed = "\n".join(f"  {name}: {problem}" for name, problem in self.problems.items())
        super().__init__(
            f"The service did not start, because its configuration is not valid:\n{listed}\n"
            "Set each one in the environment, or in a file named by <NAME>_FILE."
        )


def required_in_production(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401  any setting
    """Refuse an unset value in production, where there is no sensible default.

    Raises:
        ValueError: when the value is unset in production.

    """
    if value is None and info.data.get("app_env") is Environment.PRODUCTION:
        message = "is required in production"
        raise ValueError(message)
    return value


def split(value: object) -> object:
    """Split a list that is separated by commas; return other values unchanged."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _address(value: str) -> str:
    if value != "localhost":
        try:
            ipaddress.ip_address(value)
        except ValueError:
            message = "must be an IP address such as 127.0.0.1, 0.0.0.0 or ::, or localhost"
            raise ValueError(message) from None
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]
"""A list in one variable, separated by commas."""


class CoreSettings(BaseSettings):
    """The service.

    The constructor takes its arguments only; `load` reads the environment.
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    # First, because the validation of the others depends on it.
    app_env: Environment = Environment.PRODUCTION
    """The environment: development, testing or production; it decides which defaults are allowed.
    """
    service_name: str = PROJECT_SLUG
    """The name of the service in log lines and traces."""
    service_version: str = "unknown"
    """The version of this deployment in log lines and traces."""
    secret_key: SecretStr = Field(default=SecretStr(""), validate_default=True)
    """The key that signs cookies, cursors and links: at least 32 random characters."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The lowest level that is logged: DEBUG, INFO, WARNING or ERROR."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """The format of log lines: json, console, or auto for JSON in production and console elsewhere.
    """
    slow_request_ms: int = Field(default=1_000, ge=0)
    """The duration, in milliseconds, from which a request is logged as a warning; 0: never."""

    host: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    """The address to listen on: an IP address or localhost."""
    port: int = Field(default=8000, ge=1, le=65535)
    """The port to listen on."""
    liveness_port: int | None = Field(default=None, ge=1, le=65535)
    """A second port, for liveness probes alone, which answers while all threads are busy; unset:
    none."""
    web_concurrency: int | None = Field(default=None, ge=1, le=128)
    """The number of worker processes; unset: one per CPU, and at least two."""
    web_threads: int = Field(default=4, ge=1, le=128)
    """The number of threads in each worker process."""
    trusted_proxy_hops: int = Field(default=0, ge=0, le=10)
    """The number of trusted proxies in front of the service: as many X-Forwarded-* values are
    trusted."""
    allowed_hosts: Names = ()
    """The host names that the service answers to, separated by commas; empty or *: any."""
    url_prefix: str = ""
    """The path below which the service is served, such as /shop."""
    max_body_bytes: int = Field(default=1_048_576, ge=1_024, le=104_857_600)
    """The maximum size of a request body, in bytes."""

    _ignored: tuple[str, ...] = PrivateAttr(default=())

    @field_validator("secret_key")
    @classmethod
    def _strong_secret_key(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        secret = value.get_secret_value()
        if not secret:
            required_in_production(None, info)
            return SecretStr(DEVELOPMENT_SECRET)
        if info.data.get("app_env") is Environment.PRODUCTION and (
            len(secret) < MIN_SECRET_LENGTH or secret_strength.is_guessable(secret.encode())
        ):
            message = (
                "is too short or can be guessed; make one with: "
                "python -c 'import secrets; print(secrets.token_hex(32))'"
            )
            raise ValueError(message)
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _valid_host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(HOST_NAME.fullmatch, value)):
            message = "must be host names such as shop.example, separated by commas"
            raise ValueError(message)
        return tuple(name.lower() for name in value)

    @field_validator("url_prefix")
    @classmethod
    def _valid_prefix(cls, value: str) -> str:
        prefix = value.rstrip("/")
        if prefix and not PREFIX.fullmatch(prefix):
            message = "must be a path such as /shop, of letters, digits and any of - . _ ~"
            raise ValueError(message)
        return prefix

    @property
    def in_production(self) -> bool:
        """Whether this is production, where security settings may not be relaxed."""
        return self.app_env is Environment.PRODUCTION

    @property
    def logs_as_json(self) -> bool:
        """Whether log lines are JSON."""
        return self.log_format == "json" or (self.log_format == "auto" and self.in_production)

    @property
    def telemetry_name(self) -> str:
        """The name of the service in log lines and traces."""
        return self.service_name

    @property
    def telemetry_version(self) -> str:
        """The version of the service in log lines and traces."""
        return self.service_version

    def warnings(self) -> list[str]:
        """Return one sentence for each setting that is valid but not advisable."""
        found = list(self._ignored)
        if "*" in self.allowed_hosts or (self.in_production and not self.allowed_hosts):
            found.append(
                "ALLOWED_HOSTS is not set: requests with any Host header are accepted."
                if not self.allowed_hosts
                else "ALLOWED_HOSTS contains *: requests with any Host header are accepted."
            )
        return found

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use the constructor's arguments only, so that tests do not depend on the environment."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @classmethod
    def load(cls, dotenv: Path = Path(".env")) -> Self:
        """Read the environment, the files it names and, in development, `.env`.

        Raises:
            InvalidSettings: with all missing and invalid variables.

        """
        problems: dict[str, str] = {}
        environment = sources.EnvironmentVariables(cls)
        chain = (  # the first that has a setting wins
            sources.NamedFiles(cls, problems),
            environment,
            sources.DevelopmentDotEnv(cls, dotenv, problems),
            secrets_manager.SecretsManager(cls, problems),
            sources.QuotedValues(cls, problems),
        )
        try:
            settings = cls(_build_sources=(chain, {}))
        except ValidationError as error:
            problems = {**_sentences(error), **problems}
        if problems:
            raise InvalidSettings(problems)
        settings._ignored = environment.ignored
        return settings


def _sentences(error: ValidationError) -> dict[str, str]:
    """Return pydantic's errors as sentences that never repeat a value."""
    return {
        str(detail["loc"][0]).upper(): detail["msg"].removeprefix("Value error, ")
        for detail in error.errors(include_url=False, include_context=False, include_input=False)
    }
