"""A folder in memory for one run: a service is written there, and removed, for each combination.

Delete it when a whole run takes no longer on a disk.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps files in memory
ROOM = 2**31  # bytes: `make quick` was seen to fill a thirtieth of it


def folder_in_memory(memory: Path = MEMORY, room: int = ROOM) -> Path | None:
    """Create a folder in memory, if the system has one with enough space that can run programs."""
    if not os.access(memory, os.W_OK | os.X_OK) or shutil.disk_usage(memory).free < room:
        return None
    if os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return None
    return Path(tempfile.mkdtemp(prefix="combinations-", dir=memory))


class RamDisk:
    """One folder for all workers of a run, removed at its end, also after an interrupt."""

    def __init__(self) -> None:
        self.folder = folder_in_memory()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 - xdist has no types
        """Pass the folder to a worker of xdist."""
        node.workerinput["ramdisk"] = str(self.folder or "")

    def pytest_unconfigure(self) -> None:
        """Remove the folder."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def folder(config: pytest.Config) -> Path | None:
    """Return this run's folder in memory, in a worker and without workers alike, if there is one."""
    if hasattr(config, "workerinput"):
        return Path(named) if (named := config.workerinput["ramdisk"]) else None
    found = config.pluginmanager.get_plugin("ramdisk")
    return found.folder if isinstance(found, RamDisk) else None
