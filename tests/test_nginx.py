"""The proxy of generated services: a real nginx takes its configuration and passes the services' tests."""

import os
import shutil
from pathlib import Path

import pytest

import real_servers
from bakery import Bakery
from combinations import Answers, covering_set, ident
from rendering import renderings

# The smallest and the largest.
ROWS = sorted(covering_set(), key=lambda row: sum(map(bool, row.values())))


def nginx() -> str:
    """Find nginx; skip the test, or fail it under REQUIRE_SERVICES=1, where there is none."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if not found:
        real_servers.absent("there is no nginx: install Debian's package nginx-light")
    return str(found)


@pytest.mark.slow
@pytest.mark.parametrize("answers", [ROWS[0], ROWS[-1]], ids=ident)
def test_nginx_and_gunicorn_pass_the_tests_of_the_service(answers: Answers, bakery: Bakery) -> None:
    nginx()
    project = bakery.bake(answers)
    job = bakery.job("suite", project, "requirements-dev.txt", arguments=["tests/test_nginx.py"])

    assert "skipped" not in bakery.run(job), "no nginx was started"


def test_nginx_takes_every_configuration_as_it_is_shipped(bakery: Bakery, tmp_path: Path) -> None:
    texts = [text for text, _answers in renderings("deploy/nginx/nginx.conf", "default")]
    assert len(texts) == len({"with metrics", "without"})
    for number, text in enumerate(texts):
        shipped = tmp_path / f"{number}.conf"
        shipped.write_text(text)
        options = f"pid {tmp_path}/pid; error_log stderr;"
        bakery.command([nginx(), "-t", "-c", str(shipped), "-g", options], tmp_path)


def test_without_nginx_the_test_is_skipped_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_options: None)
    monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no nginx: install"):
        nginx()

    monkeypatch.setenv("REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="there is no nginx: install"):
        nginx()
