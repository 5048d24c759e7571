"""`.env.example` is a valid `.env`; `tests/core/process/test_reference.py` compares it with the code."""

import re
from pathlib import Path

import pytest

from app.core.config import Environment
from app.settings import Settings

EXAMPLE = Path(__file__).parents[1] / ".env.example"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_it_is_a_valid_configuration_as_it_stands() -> None:
    assert Settings.load(dotenv=EXAMPLE).app_env is Environment.DEVELOPMENT


def test_every_value_shown_is_valid(tmp_path: Path) -> None:
    uncommented = re.sub(r"^#(?=[A-Z0-9_]+=)", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(uncommented)

    assert Settings.load(tmp_path / ".env").app_env is Environment.DEVELOPMENT
