"""Runs the service as in production, with Gunicorn in separate processes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import HANG_TIMEOUT_SECONDS, wait_until

PROJECT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "gunicorn")


@dataclass(frozen=True, slots=True)
class Server:
    """A running Gunicorn."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """The base URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> str:
        """Return the body of a response.

        Raises:
            OSError: when there is no response, or its status is 400 or more.

        """
        request = urllib.request.Request(self.url + path, headers=headers)  # noqa: S310  this service's own URL
        with urllib.request.urlopen(request, timeout=HANG_TIMEOUT_SECONDS) as response:  # noqa: S310
            text: str = response.read().decode()
            return text

    def wait_for(self, path: str, holds: Callable[[str], object] = bool) -> None:
        """Poll a path until its body satisfies a condition.

        Raises:
            TimeoutError: when it does not within HANG_TIMEOUT_SECONDS.

        """

        def answered() -> object:
            with contextlib.suppress(OSError):
                return holds(self.get(path))
            return False

        wait_until(answered)

    def lines(self) -> list[dict[str, Any]]:
        """Return the complete log lines, parsed."""
        return [json.loads(line) for line in self.log.read_bytes().splitlines(keepends=True)[:-1]]

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        pid = self.process.pid
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split())]

    def stop(self) -> None:
        """Stop the server with SIGTERM, as an orchestrator does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=HANG_TIMEOUT_SECONDS)


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def gunicorn(folder: Path, *arguments: str, **environment: str) -> Iterator[Server]:
    """Run Gunicorn with the service's configuration, and more arguments and settings."""
    port = free_port()
    base_environment = {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "APP_ENV": "testing",
        "PORT": str(port),
        "LOG_FORMAT": "json",
        # {% if cookiecutter.rate_limiting %}
        "RATE_LIMIT": "1000000/minute",
        # {% endif %}
    }
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603  this service
            [*COMMAND, *arguments], cwd=PROJECT, env=base_environment | environment, stdout=output
        ) as process,
    ):
        server = Server(port, process, log)
        try:
            server.wait_for("/health/live")
            yield server
        finally:
            if process.poll() is None:
                server.stop()
