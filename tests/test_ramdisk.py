"""The folder in memory: only where there is room for it, and gone with the run."""

from pathlib import Path

import pytest

import ramdisk
from bakery import Bakery
from ramdisk import RamDisk, folder_in_memory


def test_without_such_a_place_there_is_none(tmp_path: Path) -> None:
    assert folder_in_memory(tmp_path / "nowhere", room=0) is None


def test_without_room_there_is_none(tmp_path: Path) -> None:
    assert folder_in_memory(tmp_path, room=2**60) is None
    assert not list(tmp_path.iterdir())


def test_it_is_gone_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ramdisk, "folder_in_memory", lambda: folder_in_memory(tmp_path, room=0))
    lent = RamDisk()
    assert lent.folder
    (lent.folder / "service").mkdir()

    lent.pytest_unconfigure()

    assert not list(tmp_path.iterdir())


def test_this_run_works_there_where_it_can(request: pytest.FixtureRequest, bakery: Bakery) -> None:
    folder = ramdisk.folder(request.config)

    assert folder is None or folder in bakery.folder.parents
