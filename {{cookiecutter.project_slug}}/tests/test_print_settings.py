import runpy
from pathlib import Path

import pytest

from app.settings import Settings


@pytest.fixture(autouse=True)
def _in_development(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    monkeypatch.setenv("APP_ENV", "development")
    monkeypatch.chdir(tmp_path)


def set_arguments(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr("sys.argv", ["print_settings", *names])
    runpy.run_module("app.print_settings", run_name="__main__")


@pytest.mark.parametrize(
    "line", ['PORT="9000"', "PORT=9000 # mine", "export PORT=9000", "PORT = 9000"]
)
def test_a_script_can_read_the_effective_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    Path(".env").write_text(f"{line}\n")

    set_arguments(monkeypatch, "HOST", "PORT")

    assert capsys.readouterr().out == "127.0.0.1\n9000\n"


def test_a_setting_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"There is no setting PROT\."):
        set_arguments(monkeypatch, "PROT")
