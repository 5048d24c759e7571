"""What the requirement files of a service pin.

Delete it when pip can print that.
"""

import re
from pathlib import Path

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
INCLUDE = re.compile(r"^-r\s+(\S+)", re.MULTILINE)


def pins(file: Path) -> dict[str, str]:
    """Read the pinned versions of a requirements file and of those it includes."""
    text = file.read_text()
    found = dict(PIN.findall(text))
    for included in INCLUDE.findall(text):
        found |= pins(file.parent / included)
    return found
