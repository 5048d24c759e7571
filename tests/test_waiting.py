"""No test waits for a process, a thread or a socket for less time than only a hang takes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from combinations import ROOT, TREE, tree_files
from drills import waiting

LIMIT = "HANG_TIMEOUT_SECONDS"
# Methods and functions whose argument at this place is a time limit, or a time to wait for.
LIMITS = {
    "alarm": 0,
    "communicate": 1,
    "create_connection": 1,
    "join": 0,
    "result": 0,
    "select": 3,
    "settimeout": 0,
    "wait": 0,
    "wait_for_timeout": 0,
}
CLOCKS = {"monotonic", "perf_counter", "process_time"}
# What is written otherwise, with the reason why no busy machine makes it fail.
EXCEPTIONS = {
    "tests/client_tools.py": {"timeout=300": "longer than that: a tool starts Node or Python"},
    "tests/test_browser.py": {"wait_for_timeout(50)": "inside a loop with a limit"},
    "tests/test_defects.py": {"timeout=2": "the job is a hang, and is to be ended"},
    "tests/forkserver.py": {"alarm(job['timeout'])": "an hour (bakery.py)"},
    "tests/test_first_hour.py": {"timeout=JOB_TIMEOUT_SECONDS": "an hour: a command runs a suite"},
    "the tree's tests/provider_process.py": {
        "time.sleep(response['seconds'])": "the provider is slow on purpose"
    },
    "the tree's tests/core/caching/test_cache.py": {
        "time.sleep(0.003)": "longer is as good",
        "time.sleep(0.1)": "lets the others come meanwhile; later is as good",
        "time.monotonic() + seconds": "a clock that is set",
    },
    "the tree's tests/core/database/test_transaction_retries.py": {
        "time.sleep(0.3)": "staged again when the server ends ours"
    },
    "the tree's tests/core/observability/test_log_lines.py": {
        "time.sleep(0.2)": "later is as good"
    },
    "the tree's tests/core/observability/test_logs.py": {
        "time.sleep(0.01)": "what is slow; later is as good"
    },
    "the tree's tests/core/observability/test_redaction.py": {
        "< 2": "CPU time: a tenth of it is needed, and a defect takes minutes"
    },
    "the tree's app/users/tests/test_passwords.py": {
        "< 0.5": "CPU time: a tenth of it is needed, and a defect takes seconds"
    },
    "the tree's tests/core/http/test_rate_limits.py": {
        "time.monotonic() + redis_server.PAUSE_SECONDS": "a clock that is set"
    },
    "the tree's tests/core/http/test_redis_server.py": {
        "time.monotonic() + redis_server.PAUSE_SECONDS": "a clock that is set"
    },
    "the tree's tests/core/tasks/test_runner.py": {
        "time.monotonic() + runner.PAUSE_SECONDS": "a clock that is set"
    },
    "the tree's tests/core/tasks/test_workers.py": {
        "time.sleep(0.5)": "what must not have happened by then: later is as good"
    },
    "the tree's tests/workers.py": {
        "time.sleep(moment)": "what must not have happened by then: later is as good",
        "settimeout(0.2)": "asks whether somebody has hung up already",
    },
}


def short_waits(tree: ast.Module) -> Iterator[str]:
    """List the time limits of a module that are not the one for hangs, and sleeps outside loops."""
    looped = {
        inner
        for outer in ast.walk(tree)
        if isinstance(outer, ast.While | ast.For)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _limits(node, looped=node in looped)
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Add)
            and _asks_a_clock(node.left)
        ):
            yield from _unless_for_hangs(node.right, ast.unparse(node))
        if (
            isinstance(node, ast.Compare)
            and isinstance(node.left, ast.BinOp)
            and _asks_a_clock(node.left.left)
        ):
            for operator, bound in zip(node.ops, node.comparators, strict=True):
                if isinstance(operator, ast.Lt | ast.LtE):
                    yield from _unless_for_hangs(bound, f"< {ast.unparse(bound)}")


def _limits(call: ast.Call, *, looped: bool) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    for keyword in call.keywords:
        if keyword.arg and (keyword.arg == "timeout" or keyword.arg.endswith("_timeout")):
            yield from _unless_for_hangs(
                keyword.value, f"{keyword.arg}={ast.unparse(keyword.value)}"
            )
    place = LIMITS.get(name)
    if place is not None and len(call.args) > place and not _joins_texts(call):
        yield from _unless_for_hangs(call.args[place], f"{name}({ast.unparse(call.args[place])})")
    if name == "sleep" and not looped:
        yield ast.unparse(call)


def _joins_texts(call: ast.Call) -> bool:
    """Return whether this is `", ".join(words)`, not `thread.join(10)`."""
    first = call.args[0]
    is_number = isinstance(first, ast.Constant) and isinstance(first.value, int | float)
    is_limit = isinstance(first, ast.Name) and first.id.isupper()
    return getattr(call.func, "attr", "") == "join" and not (is_number or is_limit)


def _asks_a_clock(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
    )


def _unless_for_hangs(limit: ast.expr, said: str) -> Iterator[str]:
    """Pass what names the limit, and what is no time: None, 0, a text, a list (of threads, say)."""
    named = any(isinstance(each, ast.Name) and each.id == LIMIT for each in ast.walk(limit))
    no_time = (
        isinstance(limit, ast.Constant)
        and not (isinstance(limit.value, int | float) and limit.value)
    ) or isinstance(limit, ast.GeneratorExp | ast.ListComp | ast.List | ast.Starred)
    if not (named or no_time):
        yield said


def written() -> Iterator[tuple[Path, str]]:
    """List every module that waits for others: tests, their helpers, and drills."""
    for folder in ("drills", "tests"):
        for path in sorted((ROOT / folder).glob("*.py")):
            yield path, str(path.relative_to(ROOT))
    for name in tree_files():
        if name.endswith(".py") and ("tests/" in name or name == "conftest.py"):
            yield TREE / name, f"the tree's {name}"


@pytest.mark.parametrize(
    ("path", "name"), [pytest.param(path, name, id=name) for path, name in written()]
)
def test_every_time_limit_of_a_test_is_for_hangs(path: Path, name: str) -> None:
    known = EXCEPTIONS.get(name, {})
    found = set(short_waits(ast.parse(path.read_text())))
    if name.startswith("drills/"):  # how long a fault lasts is what a drill is about
        found = {each for each in found if not each.startswith("time.sleep(")}

    assert not found - set(known), f"write {LIMIT}, or say here why it cannot fail"
    assert not set(known) - found, "an exception that is not needed"


@pytest.mark.parametrize(
    "line",
    [
        "process.wait(20)",
        "process.wait(PATIENCE)",
        "process.communicate(timeout=40)",
        "process.communicate(None, 40)",
        "socket.create_connection(address, 3)",
        "psycopg.connect(url, connect_timeout=5)",
        "page.get_by_text(text).wait_for(timeout=10_000)",
        "thread.join(10)",
        "future.result(5)",
        "deadline = time.monotonic() + 20",
        "assert time.monotonic() - began < 1",
        "time.sleep(2)",
        "def f():\n    time.sleep(2)",
    ],
)
def test_a_short_wait_would_be_noticed(line: str) -> None:
    assert list(short_waits(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "process.wait()",
        f"process.wait({LIMIT})",
        f"deadline = time.monotonic() + {LIMIT}",
        f"context.set_default_timeout({LIMIT} * 1_000)",
        f"assert time.monotonic() - began < {LIMIT}",
        "while not done():\n    time.sleep(0.1)",
        "assert time.monotonic() - began > 1",
        "', '.join(words for words in all_)",
    ],
)
def test_a_wait_that_only_a_hang_can_meet_passes(line: str) -> None:
    assert not list(short_waits(ast.parse(line)))


def test_the_limit_is_a_minute_at_least_here_and_in_services() -> None:
    # As a text: the service's module is not on this one's path.
    ours = (TREE / "tests" / "waiting.py").read_text()
    (value,) = (
        node.value
        for node in ast.parse(ours).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == LIMIT
    )
    assert ast.literal_eval(value) >= 60
    assert waiting.HANG_TIMEOUT_SECONDS >= 60
