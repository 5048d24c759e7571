"""A service generated for the drills, its Gunicorn and its workers, with their own configuration."""

import base64
import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import IO

from cookiecutter.main import cookiecutter

from drills.servers import children, free_port
from drills.waiting import HANG_TIMEOUT_SECONDS, wait_until

ROOT = Path(__file__).parents[1]
EMAIL, PASSWORD = "drill@example.com", "correct horse battery staple 7"


def generate(folder: Path, database: str) -> Path:
    """Generate a service with all answers that the drills test."""
    answers = {
        "project_name": "Drill",
        "database": database,
        "auth": "jwt",
        "rate_limiting": True,
        "tracing": True,
        "metrics": True,
        "webhooks": True,
        "web_ui": True,
        "caching": True,
        "background_tasks": True,
    }
    config = folder / "cookiecutter.yaml"
    config.write_text(f"replay_dir: {folder}\ncookiecutters_dir: {folder}\n")
    with (folder / "generated.txt").open("w") as output, _descriptor_1(output):
        return Path(
            cookiecutter(
                str(ROOT),
                no_input=True,
                extra_context=answers,
                output_dir=str(folder / "generated"),
                config_file=str(config),
            )
        )


@contextlib.contextmanager
def _descriptor_1(output: IO[str]) -> Iterator[None]:
    """Redirect descriptor 1, because the hooks run in other processes."""
    before = os.dup(1)
    os.dup2(output.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)


class Service:
    """A generated service that can be started and stopped repeatedly on one port."""

    def __init__(self, project: Path, **settings: str) -> None:
        self.project = project
        self.port = free_port()
        self.webhook_secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        self.settings = {
            "APP_ENV": "production",
            "SECRET_KEY": secrets.token_hex(32),
            "PORT": str(self.port),
            "LIVENESS_PORT": str(free_port()),
            "TRUSTED_PROXY_HOPS": "1",
            "WEB_CONCURRENCY": "2",
            "WEB_THREADS": "4",
            "ALLOWED_HOSTS": "127.0.0.1",
            "JWT_KEYS": json.dumps({"keys": [{"kty": "oct", "kid": "drill", "k": key}]}),
            "MAIL_URL": "smtps://drill:pass-word@127.0.0.1:1",
            "MAIL_FROM": "drill@example.com",
            "BROKER_URL": "amqp://guest:guest@127.0.0.1:1//",
            "PUBLIC_URL": "https://drill.example",
            "WEBHOOK_SECRETS": self.webhook_secret,
            "RATE_LIMIT": "1000000/minute",
        } | settings
        self.process: subprocess.Popen[bytes] | None = None
        self.log = project.parent / f"{project.name}.log"

    def second_instance(self) -> "Service":
        """Return another instance of the service, with the same data and other ports."""
        other = copy(self)
        other.port, other.process = free_port(), None
        ports = {"PORT": str(other.port), "LIVENESS_PORT": str(free_port())}
        other.settings = self.settings | ports
        return other

    @property
    def liveness_port(self) -> int:
        """The port of the liveness probe."""
        return int(self.settings["LIVENESS_PORT"])

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment of a process: of the caller's variables only PATH."""
        kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | self.settings | settings

    def flask(self, *arguments: str, given: str = "") -> None:
        """Run a `flask` command of the service, with `given` as its standard input."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *arguments],
            cwd=self.project,
            env=self.environment(),
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = f"flask {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}"
            raise RuntimeError(message)

    def set_up(self) -> None:
        """Create the tables and an account."""
        self.flask("db", "upgrade")
        self.flask("users", "create-admin", EMAIL, "--password-file", "-", given=PASSWORD)

    def start(self, settings: dict[str, str] | None = None, output: Path | None = None) -> None:
        """Start Gunicorn with the service's own gunicorn.conf.py, and wait until it is ready."""
        with (output or self.log).open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn"],
                cwd=self.project,
                env=self.environment(**settings or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._is_ready, "the service starts")
            wait_until(lambda: len(self.workers()) == int(self.settings["WEB_CONCURRENCY"]), "")
        except BaseException:
            self.stop()
            raise

    def _is_ready(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2_000:] if self.log.exists() else ""
            message = f"the service did not start:\n{tail}"
            raise RuntimeError(message)
        try:
            url = f"http://127.0.0.1:{self.port}/health/ready"
            with urllib.request.urlopen(url, timeout=HANG_TIMEOUT_SECONDS) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def workers(self) -> list[int]:
        """Return the process ids of Gunicorn's workers."""
        if self.process is None:
            return []
        return sorted(children(self.process.pid))

    def stop(self) -> float:
        """Stop it as a platform does; return how many seconds that took."""
        began = time.monotonic()
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(HANG_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                for worker in self.workers():
                    os.kill(worker, signal.SIGKILL)
                self.process.kill()
                self.process.wait()
            self.process = None
        return time.monotonic() - began


class Worker:
    """A worker of the service, started as by `make worker`."""

    def __init__(self, service: Service, settings: dict[str, str], processes: int) -> None:
        self.log = service.project.parent / f"{service.project.name}-worker.log"
        heartbeat = service.project.parent / f"{service.project.name}-worker.heartbeat"
        heartbeat.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "--quiet", "--app", "worker", "worker"),
                    *("--without-gossip", "--without-mingle", "--beat"),
                    *("--concurrency", str(processes)),
                ],
                cwd=service.project,
                env=service.environment(**settings, WORKER_HEARTBEAT_FILE=str(heartbeat)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_until(heartbeat.exists, "a worker starts")
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill all its processes at once, as a power failure does."""
        kill_group(self.process)

    def stop(self) -> None:
        """Stop it as a platform does; kill it if it does not stop in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(HANG_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


def kill_group(leader: subprocess.Popen[bytes]) -> None:
    """Kill a process and its children, and wait until all of them have ended.

    Until a process has ended its connections stay open, and their peers consider it alive.
    """
    pids = [leader.pid]
    with contextlib.suppress(OSError):
        pids += children(leader.pid)
    with contextlib.ExitStack() as open_files:
        descriptors: list[int] = []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(pid))
                open_files.callback(os.close, descriptors[-1])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)
        for descriptor in descriptors:
            select.select([descriptor], [], [], HANG_TIMEOUT_SECONDS)
    leader.wait()


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Create a folder that servers running as other users can access."""
    folder = tempfile.TemporaryDirectory(prefix="drills-", ignore_cleanup_errors=True)
    Path(folder.name).chmod(0o755)
    return folder
