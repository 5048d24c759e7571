"""nginx with the shipped configuration, and an upstream that fails on demand."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.connections import Connection
from tests.servers import PROJECT, free_port
from tests.waiting import wait_until

CONFIGURATION = PROJECT / "deploy" / "nginx" / "nginx.conf"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def binary() -> str:
    """Return the path of nginx; skip the test if it is not installed."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    return shutil.which("nginx", path=path) or pytest.skip(
        "nginx is not installed: apt-get install nginx"
    )


def changed(text: str, changes: Mapping[str, str]) -> str:
    """Replace parts of a text.

    Raises:
        LookupError: when a part does not occur in the text.

    """
    for old, new in changes.items():
        if old not in text:
            raise LookupError(old)
        text = text.replace(old, new)
    return text


@contextlib.contextmanager
def nginx(upstream: int, changes: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run nginx with the shipped configuration in front of a port; yield the port of nginx.

    Addresses, logs and temporary folders are replaced by the test's.
    """
    program = binary()
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folders = "".join(f"{each}_temp_path {folder}/{each};\n" for each in TEMPORARY)
        user = "user root;\n" if os.geteuid() == 0 else ""  # so that it can write to these folders
        text = changed(
            CONFIGURATION.read_text(encoding="utf-8"),
            {
                "worker_processes auto;": f"{user}worker_processes 1;\ndaemon off;\npid {folder}/pid;",
                "http {\n": "http {\n" + folders,
                "listen 80 ": f"listen 127.0.0.1:{port} ",
                "127.0.0.1:8000": f"127.0.0.1:{upstream}",
                "/var/log/nginx/access.log": f"{folder}/access.log",
                "/var/log/nginx/error.log": f"{folder}/error.log",
                **(changes or {}),
            },
        )
        config = folder / "nginx.conf"
        config.write_text(text, encoding="utf-8")
        command = [program, "-e", "stderr", "-p", str(folder), "-c", str(config)]
        with subprocess.Popen(command) as process:  # noqa: S603  the proxy of this service
            try:
                wait_until(lambda: process.poll() is not None or _listens(port))
                yield port
            finally:
                process.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@dataclass
class Request:
    """A request that the upstream received."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Upstream:
    """An upstream that responds, or closes the connection instead."""

    port: int
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    closes: deque[bool] = field(default_factory=deque)
    """For each of the next requests, whether to close the connection instead of responding."""

    def serve(self, listener: socket.socket) -> None:
        """Accept connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                accepted, _address = listener.accept()
                self.connections += 1
                threading.Thread(target=self._respond, args=[accepted], daemon=True).start()

    def _respond(self, accepted: socket.socket) -> None:
        with accepted, Connection(accepted) as client, contextlib.suppress(EOFError, OSError):
            while True:
                self.requests.append(Request(*client.message()))
                if self.closes and self.closes.popleft():
                    return
                client.send(OK)


@contextlib.contextmanager
def upstream() -> Iterator[Upstream]:
    """Run an upstream."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = Upstream(listener.getsockname()[1])
        thread = threading.Thread(target=running.serve, args=[listener])
        thread.start()
        try:
            yield running
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # closing alone does not interrupt accept()
            thread.join()
