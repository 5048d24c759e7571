"""The sources of settings, for pydantic-settings: files, the environment and `.env`.

They add their problems to a dictionary instead of raising them, so that all are reported at once. A
problem never quotes a value.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
)

QUOTED_VALUE = re.compile(r"""(["']).*\1""", re.DOTALL)
SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://[\w.:\[\]-]+:\d+", re.ASCII)
MACHINE_NAME = re.compile(r"(?=.*[a-z_])[\w.-]+", re.ASCII | re.IGNORECASE)


def stripped(values: Mapping[str, Any]) -> dict[str, Any]:
    """Strip white space at both ends, such as a final line break; drop values then empty."""
    found = {
        name: value.strip() if isinstance(value, str) else value for name, value in values.items()
    }
    return {name: value for name, value in found.items() if value != ""}


class NamedFiles(PydanticBaseSettingsSource):
    """The files that `<NAME>_FILE` names, as Docker and Kubernetes provide secrets."""

    def __init__(self, settings_cls: type[BaseSettings], problems: dict[str, str]) -> None:
        super().__init__(settings_cls)
        self.problems = problems

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the content of a setting's file, None without one."""
        del field
        name, value = field_name.upper(), None
        path = os.environ.get(f"{name}_FILE")
        if path and os.environ.get(name):
            self.problems[name] = f"is set twice; keep either {name} or {name}_FILE"
        elif path:
            try:
                value = Path(path).read_text(encoding="utf-8-sig").strip()
            except (OSError, UnicodeDecodeError):
                self.problems[name] = f"cannot be read from the file that {name}_FILE names"
            if value == "":
                self.problems[name] = f"is empty in the file that {name}_FILE names"
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the contents of all files."""
        fields = self.settings_cls.model_fields.items()
        values = {name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: value for name, value in values.items() if value is not None}


class EnvironmentVariables(EnvSettingsSource):
    """The environment variables, without those that belong to other programs."""

    ignored: tuple[str, ...] = ()
    """One sentence for each variable that is ignored."""

    def __call__(self) -> dict[str, Any]:
        """Return the variables that are set."""
        values = stripped(super().__call__())
        reasons = {name: _reason_to_ignore(name, str(value)) for name, value in values.items()}
        self.ignored = tuple(filter(None, reasons.values()))
        return {name: value for name, value in values.items() if reasons[name] is None}


def _reason_to_ignore(name: str, value: str) -> str | None:
    """Return why a variable belongs to another program; None if it is ours.

    Kubernetes sets NAME_PORT=tcp://10.0.0.1:80 for each Service of a namespace
    (https://kubernetes.io/docs/tutorials/services/connect-applications-service/), as Docker's links
    did. The C shell sets HOST to the name of the machine, conda to that of a compiler's target.
    """
    if name.endswith("port") and SERVICE_LINK.fullmatch(value):
        return f"{name.upper()} is ignored: its value is a link to a Kubernetes Service."
    if name == "host" and value != "localhost" and MACHINE_NAME.fullmatch(value):
        return "HOST is ignored: its value is not an IP address; conda and some shells set it."
    return None


class DevelopmentDotEnv(DotEnvSettingsSource):
    """`.env`, in development only: production must not depend on a stray file."""

    def __init__(
        self, settings_cls: type[BaseSettings], path: Path, problems: dict[str, str]
    ) -> None:
        self.problems = problems
        self.unreadable: dict[str, str] = {}
        file = path if path.is_file() else None
        try:
            # With or without the byte order mark that editors on Windows write. The file may also
            # contain variables of other programs.
            super().__init__(
                settings_cls, file, env_file_encoding="utf-8-sig", dotenv_filtering="only_existing"
            )
        except (OSError, UnicodeDecodeError):
            super().__init__(settings_cls, None)
            self.unreadable = {path.name: "cannot be read as UTF-8"}

    def __call__(self) -> dict[str, Any]:
        """Return the file's settings, if this is development by the environment or the file."""
        values = {"app_env": "development"} if self.unreadable else stripped(super().__call__())
        if self.current_state.get("app_env", values.get("app_env")) != "development":
            return {}
        self.problems |= self.unreadable
        return values


class QuotedValues(InitSettingsSource):
    """The last source: it has no values, and reports those of the others that are in quotes."""

    def __init__(self, settings_cls: type[BaseSettings], problems: dict[str, str]) -> None:
        super().__init__(settings_cls, {})
        self.problems = problems

    def __call__(self) -> dict[str, Any]:
        """Report the values in quotes."""
        for name, value in self.current_state.items():
            if QUOTED_VALUE.fullmatch(str(value)):
                self.problems[name.upper()] = (
                    "has quotes around it, which docker --env-file does not remove"
                )
        return {}
