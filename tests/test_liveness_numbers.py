"""The image and the pages name the numbers of the liveness probe that the code derives."""

import ast
import math
import re

from combinations import TREE
from drills.stage import PROBE_SECONDS

CODE = (TREE / "app" / "core" / "process" / "liveness.py").read_text()


def numbers() -> dict[str, int]:
    """Evaluate the constants of the module: it is not on this one's path."""
    found: dict[str, int] = {}
    for node in ast.parse(CODE).body:
        if isinstance(node, ast.Assign) and (name := ast.unparse(node.targets[0])).isupper():
            value = eval(ast.unparse(node.value), {"math": math, **found})  # noqa: S307  our own text
            if isinstance(value, int):
                found[name] = value
    return found


def test_the_image_probes_as_the_code_says() -> None:
    told = numbers()
    text = (TREE / "Dockerfile").read_text()

    options = dict(re.findall(r"--(interval|timeout|start-period|retries)=(\d+)", text))
    assert {name: int(value) for name, value in options.items()} == {
        "interval": told["PERIOD_SECONDS"],
        "timeout": told["TIMEOUT_SECONDS"],
        "start-period": told["START_SECONDS"],
        "retries": told["FAILURE_THRESHOLD"],
    }
    assert f'/health/live\\", timeout={told["TIMEOUT_SECONDS"]})' in text
    assert "os.environ['LIVENESS_PORT']" in text


def test_the_drills_hold_the_probe_to_less_than_its_timeout() -> None:
    assert numbers()["TIMEOUT_SECONDS"] > PROBE_SECONDS


def test_the_page_names_the_same_numbers() -> None:
    told = numbers()
    page = (TREE / "docs" / "reliability.md").read_text()

    assert (
        f"at `LIVENESS_PORT` | {told['PERIOD_SECONDS']} s | {told['TIMEOUT_SECONDS']} s |"
        f" {told['FAILURE_THRESHOLD']} failures in a row: restart |"
    ) in page
    assert f"no heartbeat for {told['WORKER_TIMEOUT_SECONDS']} s (`timeout`)" in page
    assert f"loads in {told['START_SECONDS']} s at most" in page
