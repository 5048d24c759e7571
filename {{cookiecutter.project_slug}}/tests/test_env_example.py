"""`.env.example` is where people look for a setting: it must know each one, and no other."""

import re
from pathlib import Path

import pytest

from app.core.config import Environment
from app.settings import Settings

EXAMPLE = Path(__file__).parents[1] / ".env.example"


def assignments() -> dict[str, str]:
    return dict(re.findall(r"^#?([A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def test_every_setting_is_explained_and_no_other() -> None:
    assert sorted(assignments()) == sorted(name.upper() for name in Settings.model_fields)


def test_the_values_shown_are_the_defaults() -> None:
    defaults = Settings(app_env=Environment.DEVELOPMENT)
    shown = {
        name: value
        for name, value in assignments().items()
        if value and not name.endswith(("_URL", "_ENDPOINT"))
    }
    read = Settings.model_validate({name.lower(): value for name, value in shown.items()})
    assert read == defaults


def test_it_is_a_valid_configuration_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    assert Settings.load(dotenv=EXAMPLE).app_env is Environment.DEVELOPMENT
