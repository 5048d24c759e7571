"""The image and the documents use the intervals and timeouts of the liveness probe from the code."""

import ast
import math
import re

from combinations import TREE
from drills.stage import PROBE_SECONDS

CODE = (TREE / "app" / "core" / "process" / "liveness.py").read_text()


def numbers() -> dict[str, int]:
    """Evaluate the constants of the module, which cannot be imported here."""
    found: dict[str, int] = {}
    for node in ast.parse(CODE).body:
        if isinstance(node, ast.Assign) and (name := ast.unparse(node.targets[0])).isupper():
            value = eval(ast.unparse(node.value), {"math": math, **found})  # noqa: S307  a file of the template
            if isinstance(value, int):
                found[name] = value
    return found


def test_the_image_probes_as_the_code_says() -> None:
    constants = numbers()
    text = (TREE / "Dockerfile").read_text()

    options = dict(re.findall(r"--(interval|timeout|start-period|retries)=(\d+)", text))
    assert {name: int(value) for name, value in options.items()} == {
        "interval": constants["PERIOD_SECONDS"],
        "timeout": constants["TIMEOUT_SECONDS"],
        "start-period": constants["START_SECONDS"],
        "retries": constants["FAILURE_THRESHOLD"],
    }
    assert f'/health/live\\", timeout={constants["TIMEOUT_SECONDS"]})' in text
    assert "os.environ['LIVENESS_PORT']" in text


def test_the_drills_hold_the_probe_to_less_than_its_timeout() -> None:
    assert numbers()["TIMEOUT_SECONDS"] > PROBE_SECONDS


def test_the_page_names_the_same_numbers() -> None:
    constants = numbers()
    page = (TREE / "docs" / "reliability.md").read_text()

    assert (
        f"at `LIVENESS_PORT` | {constants['PERIOD_SECONDS']} s | {constants['TIMEOUT_SECONDS']} s |"
        f" {constants['FAILURE_THRESHOLD']} failures in a row: restart |"
    ) in page
    assert f"no heartbeat for {constants['WORKER_TIMEOUT_SECONDS']} s (`timeout`)" in page
    assert f"loads in {constants['START_SECONDS']} s at most" in page
