"""No secret reaches a log in a whole test run of a service, with everything that has secrets."""

import re
import shutil
from pathlib import Path

import pytest

from bakery import Bakery, FailedCheckError
from combinations import Answers, choices, ident, runtime_combinations

pytestmark = pytest.mark.slow

SPY = Path(__file__).with_name("secret_spy.py")
CLOSING = re.compile(
    r"(\d+) lines logged during (\d+) requests, (\d+) by processes; (\d+) secrets looked for, (\d+) found"
)


def rich(auth: object) -> Answers:
    """Return the combination with this way to prove who one is, and the most of all else."""
    rows = [row for row in runtime_combinations() if row["auth"] == auth]
    return max(rows, key=lambda row: sum(value not in (False, "none") for value in row.values()))


def spied(bakery: Bakery, project: Path, *arguments: str) -> dict[str, int]:
    """Run the suite of a service under the spy, and return what it counted."""
    shutil.copy(SPY, project / "tests")
    more = ["-s", "-p", "tests.secret_spy", *arguments]
    job = bakery.job("suite", project, "requirements-dev.txt", arguments=more)
    found = CLOSING.search(bakery.run(job))
    assert found
    names = ("lines", "requests", "of_processes", "secrets", "found")
    return dict(zip(names, map(int, found.groups()), strict=True))


@pytest.mark.long
@pytest.mark.parametrize("answers", [rich(auth) for auth in choices()["auth"]], ids=ident)
def test_no_log_of_a_whole_run_holds_a_secret(answers: Answers, bakery: Bakery) -> None:
    counted = spied(bakery, bakery.bake(answers), "-m", "not slow")

    assert counted["found"] == 0
    assert counted["lines"] > 2_000
    assert counted["of_processes"] > 50
    assert counted["secrets"] > (10 if answers["auth"] == "none" else 50)


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        # The rule masks nothing any more.
        (
            "app/core/observability/redaction.py",
            "    return _TEXT.sub(",
            "    return text\n    _TEXT.sub(",
        ),
        # Somebody logs a header under a harmless name.
        (
            "app/core/observability/logs.py",
            "HTTP_RESPONSE_BODY_SIZE: info.sent_bytes,",
            'HTTP_RESPONSE_BODY_SIZE: info.sent_bytes, "caller": environ.get("HTTP_X_API_KEY"),',
        ),
    ],
)
def test_a_secret_that_is_logged_is_found(
    file: str, right: str, wrong: str, bakery: Bakery
) -> None:
    project = bakery.bake({**rich("none"), "web_ui": False, "database": "none", "caching": False})
    text = (project / file).read_text()
    assert right in text
    (project / file).write_text(text.replace(right, wrong))

    # One file of its tests is enough; these do not test logs.
    with pytest.raises(FailedCheckError, match=r"secrets looked for, [1-9]\d* found"):
        spied(
            bakery,
            project,
            "tests/core/http/test_cors.py",
            "tests/core/test_errors.py",
            "-m",
            "not process",
        )
