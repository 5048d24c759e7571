from pathlib import Path

import pytest
from flask import Flask
from pydantic import Field, SecretStr

from app.core.config import CoreSettings
from app.core.process import reference
from app.core.process.reference import ROW, Entry, Page
from app.settings import Settings
from tests import environments


def test_the_generated_pages_match_the_code(app: Flask) -> None:
    for page in reference.pages(app, Settings):
        text = page.file.read_text(encoding="utf-8")

        assert page.rewritten(text) == text, f"{page.file} is out of date; run: make docs"


def test_each_setting_is_described_in_one_sentence() -> None:
    classes = [each for each in Settings.__mro__ if issubclass(each, CoreSettings)]
    found = {name: text for each in classes for name, text in reference.docstrings(each).items()}

    for name in Settings.model_fields:
        assert found.get(name, "").endswith("."), f"{name.upper()} needs a docstring"


def test_production_has_the_defaults_of_development() -> None:
    """The page lists one default for each setting."""
    production = Settings.model_validate(environments.PRODUCTION)
    development = Settings.model_validate({**environments.PRODUCTION, "app_env": "development"})

    assert development.model_copy(update={"app_env": production.app_env}) == production


class ToySettings(CoreSettings):
    """Toys."""

    toy_key: SecretStr = SecretStr("hidden")
    """The key
    of toys."""
    toy_url: str | None = Field(default=None, examples=["toy://box"])
    """The URL of the box."""


def described(*entries: Entry) -> Page:
    return Page(Path("toys.md"), ROW, list(entries))


def test_a_new_class_becomes_a_new_group(app: Flask) -> None:
    example, page = reference.pages(app, ToySettings)[:2]

    assert page.rewritten(f"Prose.\n{reference.BEGIN}{reference.END}The end.\n").endswith(
        "\n## Toys\n\n"
        "| name | default | meaning |\n|---|---|---|\n"
        "| `TOY_KEY` | none | The key of toys. |\n"
        "| `TOY_URL` | none | The URL of the box. |\n"
        "<!-- end -->\nThe end.\n"
    )
    assert example.rewritten("# Prose.\n").endswith(
        "\n## Toys\n\n# The key of toys.\n#TOY_KEY=\n\n# The URL of the box.\n#TOY_URL=toy://box\n"
    )


def test_order_and_prose_are_kept() -> None:
    text = "| `B` | old |\nProse.\n| `A` | old |\n"
    page = described(Entry("A", "| `A` | new |\n"), Entry("B", "| `B` | new |\n"))

    assert page.rewritten(text) == "| `B` | new |\nProse.\n| `A` | new |\n"


def test_unknown_entries_are_removed_and_new_ones_are_added_to_their_group() -> None:
    text = "| `A` | old |\n| `GONE` | old |\nProse.\n"
    page = described(Entry("A", "| `A` | old |\n", "H"), Entry("B", "| `B` | new |\n", "H"))

    assert page.rewritten(text) == "| `A` | old |\n| `B` | new |\nProse.\n"


def test_the_command_writes_the_pages(
    app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(app, "root_path", str(tmp_path / "app"))
    pages = reference.pages(app, Settings)
    for page in pages:
        page.file.parent.mkdir(exist_ok=True)
        page.file.write_text("# Prose: é.\n", encoding="utf-8")

    done = app.test_cli_runner().invoke(args=["write-docs"])

    assert done.exit_code == 0, done.output
    for page in pages:
        text = page.file.read_text(encoding="utf-8")
        assert text.startswith("# Prose: é.\n")
        assert all(entry.text in text for entry in page.entries)
