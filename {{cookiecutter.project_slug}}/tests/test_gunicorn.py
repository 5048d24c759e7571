"""The server's own configuration: worker counts, and a real start and stop."""

import http.client
import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.core.config import Environment, InvalidSettings
from app.settings import Settings
from tests.nginx import CONFIGURATION
from tests.waiting import HANG_TIMEOUT_SECONDS, wait_until

PROJECT = Path(__file__).parents[1]
CONFIG = str(PROJECT / "gunicorn.conf.py")
KEPT = ("PATH", "PYTHONDONTWRITEBYTECODE")  # every other variable could change the result
WRONG = {"APP_ENV": "production", "PORT": "eighty", "WEB_THREADS": "0"}


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in os.environ.keys() - KEPT:
        monkeypatch.delenv(name)
    monkeypatch.setenv("APP_ENV", "testing")
    monkeypatch.chdir(PROJECT)
    return monkeypatch


@pytest.fixture
def config(clean_environment: pytest.MonkeyPatch) -> dict[str, Any]:
    clean_environment.setenv("WEB_THREADS", "7")
    return runpy.run_path(CONFIG)


def test_gunicorns_own_setting_for_a_prefix_is_refused(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    """Gunicorn responds with 500 to every path outside of it, such as those of probes."""
    clean_environment.setenv("SCRIPT_NAME", "/shop")

    with pytest.raises(InvalidSettings, match="SCRIPT_NAME: is not for this service"):
        runpy.run_path(CONFIG)


def test_the_limit_is_found_in_the_files_of_either_version(
    config: dict[str, Any], tmp_path: Path
) -> None:
    version_1, version_2 = config["quota_v1"], config["quota_v2"]
    assert (version_1("-1\n", "100000\n"), version_1("50000\n", "100000\n")) == (None, 0.5)
    assert (version_2(""), version_2("max 100000\n")) == (None, None)
    assert (version_2("150000 100000\n"), version_2("400000 100000\n")) == (1.5, 4.0)

    assert config["cpu_quota"](tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert config["cpu_quota"](tmp_path) == 3.0
    (tmp_path / "cpu.max").write_text("200000 100000\n")
    assert config["cpu_quota"](tmp_path) == 2.0
    (tmp_path / "cpu.max").write_text("nonsense\n")
    assert config["cpu_quota"](tmp_path) is None


def test_there_is_a_worker_for_each_cpu_and_never_fewer_than_two(config: dict[str, Any]) -> None:
    quotas = [(None, 8), (1.5, 8), (0.5, 8), (3.2, 8), (64.0, 8), (None, 1)]
    assert [config["default_workers"](*each) for each in quotas] == [8, 2, 2, 4, 8, 2]


def test_the_settings_of_the_service_decide(config: dict[str, Any]) -> None:
    assert config["threads"] == 7
    assert config["bind"] == "127.0.0.1:8000"
    assert config["control_socket_disable"] is True
    assert config["forwarded_allow_ips"] == ""


def test_nginx_and_gunicorn_have_the_same_limits(config: dict[str, Any]) -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    settings = Settings(app_env=Environment.TESTING)

    (address,) = set(re.findall(r"^ +server (\S+) max_fails=0;", text, re.MULTILINE))
    assert address == f"{settings.host}:{settings.port}"
    assert f"client_max_body_size {settings.max_body_bytes};" in text
    assert "large_client_header_buffers 4 8k;" in text
    assert config["limit_request_line"] + len("\r\n") == 8 * 1024
    # "X:a\n" is passed on as "X: a\r\n".
    assert config["limit_request_field_size"] == 8 * 1024 + len(" \r")
    # The proxy must close an idle connection before Gunicorn does: it may be sending a request.
    (idle,) = re.findall(r"^ +keepalive \d+;\n +keepalive_timeout (\d+)s;", text, re.MULTILINE)
    assert int(idle) < config["keepalive"]


def test_every_number_can_be_set(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("HOST", "::")
    clean_environment.setenv("PORT", "9000")
    clean_environment.setenv("WEB_CONCURRENCY", "3")
    config = runpy.run_path(CONFIG)
    assert (config["bind"], config["workers"]) == ("[::]:9000", 3)


def test_wrong_settings_stop_it_before_any_worker_starts(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    for name, value in WRONG.items():
        clean_environment.setenv(name, value)
    with pytest.raises(InvalidSettings) as stopped:
        runpy.run_path(CONFIG)
    assert {"PORT", "SECRET_KEY", "WEB_THREADS"} <= set(stopped.value.problems)


def gunicorn(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *arguments],
        cwd=PROJECT,
        env={name: os.environ[name] for name in KEPT if name in os.environ} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_alive(port: int) -> None:
    def responds() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == 200
        except ConnectionError:
            return False
        finally:
            connection.close()

    wait_until(responds)


@pytest.mark.process
def test_it_serves_with_two_workers_and_stops_on_a_signal() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with gunicorn(
        APP_ENV="testing", PORT=str(port), WEB_CONCURRENCY="2", LOG_FORMAT="json"
    ) as server:
        try:
            wait_until_alive(port)
        finally:
            server.send_signal(signal.SIGTERM)
            out, err = server.communicate(timeout=HANG_TIMEOUT_SECONDS)
    assert (server.returncode, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    started = [line for line in lines if line["message"].startswith("Booting worker")]
    assert len(started) == 2


@pytest.mark.process
def test_a_stop_waits_neither_for_a_worker_that_starts_nor_for_an_idle_client(
    tmp_path: Path,
) -> None:
    slow = tmp_path / "slow.conf.py"
    # The second worker is forked, and has no handlers for signals yet.
    delay = "\n\nimport time\n\ndef post_fork(_server, worker):\n    time.sleep(worker.age - 1)\n"
    slow.write_text((PROJECT / "gunicorn.conf.py").read_text(encoding="utf-8") + delay)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # A graceful stop that waits for a client takes this long.
    waits = f"--graceful-timeout={2 * HANG_TIMEOUT_SECONDS:.0f}"
    settings = {"APP_ENV": "testing", "PORT": str(port), "WEB_CONCURRENCY": "2"}
    with gunicorn(f"--config={slow}", waits, **settings) as server:
        try:
            wait_until_alive(port)
            idle = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_TIMEOUT_SECONDS)
            idle.request("GET", "/health/live")
            assert idle.getresponse().read()
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=HANG_TIMEOUT_SECONDS)
    idle.close()


@pytest.mark.process
def test_wrong_settings_are_one_message_without_a_traceback() -> None:
    with gunicorn(**WRONG) as server:
        out, err = server.communicate(timeout=HANG_TIMEOUT_SECONDS)
    assert server.returncode == 1
    assert "Traceback" not in out + err
    for name in ("PORT", "SECRET_KEY", "WEB_THREADS"):
        assert f"\n  {name}: " in err
