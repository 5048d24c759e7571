"""Real workers for tests, and a mail server that says what it has taken."""

import os
import secrets
import signal
import socketserver
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import orjson

PROJECT = Path(__file__).parents[1]
BROKER_URL = os.environ.get("TEST_BROKER_URL", "")
MOMENT = 0.05  # seconds between two looks
PATIENCE = 20.0  # seconds until something that should happen is taken for missing


@dataclass
class Mailbox:
    """What a mail server has taken, and what holds it up."""

    port: int = 0
    taken: list[str] = field(default_factory=list)
    """The Message-ID of each letter."""
    go: Event = field(default_factory=Event)
    reached: Event = field(default_factory=Event)
    """Set when a letter was read to its end, and not taken yet."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"smtp://127.0.0.1:{self.port}"


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Take letters; one that is read waits for `go` before it is taken."""
    box = Mailbox()
    box.go.set()

    class Speaker(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say(b"220 ready")
            while line := self.rfile.readline():
                word = line.split()[0].upper()
                if word == b"DATA":
                    self.say(b"354 go ahead")
                    if (name := self.letter()) is None:
                        return
                    box.reached.set()
                    box.go.wait(PATIENCE)
                    # Whoever has gone away is not told, and so not answerable (RFC 5321, 6.1).
                    if self.is_alive():
                        box.taken.append(name)
                        self.say(b"250 taken")
                else:
                    self.say(b"250 fine")

        def letter(self) -> str | None:
            name = None
            while (part := self.rfile.readline()) != b".\r\n":
                if not part:
                    return None
                if part.lower().startswith(b"message-id:"):
                    name = part.split()[-1].decode()
            return name

        def is_alive(self) -> bool:
            self.connection.settimeout(0.2)
            try:
                return self.connection.recv(1) != b""
            except TimeoutError:
                return True
            except OSError:
                return False
            finally:
                self.connection.settimeout(None)

        def say(self, words: bytes) -> None:
            self.wfile.write(words + b"\r\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Let a client go away whenever it likes."""

    with Server(("127.0.0.1", 0), Speaker) as listening:
        box.port = listening.server_address[1]
        Thread(target=listening.serve_forever, args=(MOMENT,), daemon=True).start()
        yield box
        listening.shutdown()


@dataclass
class Worker:
    """A worker's processes."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """Return what it has logged."""
        return [orjson.loads(line) for line in self.log.read_bytes().splitlines() if line]

    def children(self) -> list[int]:
        """Name the processes that run tasks: the beat is a child, too, and begins later."""
        group = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(line.split()[0]) for line in group.stdout.splitlines()]

    def kill(self) -> None:
        """End all of them at once, as a machine does that loses power."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end, and return how it did."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def worker(folder: Path, *arguments: str, **environment: str) -> Iterator[Worker]:
    """Start a worker; it takes tasks when the block begins, and is gone when it ends."""
    name = secrets.token_hex(4)
    life, log = folder / f"{name}.life", folder / f"{name}.log"
    given = {key: os.environ[key] for key in ("PATH", "PYTHONDONTWRITEBYTECODE", "HOME") if key in os.environ}
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603  no part of the command comes from outside
            [
                *(sys.executable, "-m", "celery", "--app", "worker", "worker"),
                *("--concurrency", "1", *arguments),
            ],
            cwd=PROJECT,
            env=given
            | {"APP_ENV": "testing", "LOG_FORMAT": "json", "WORKER_LIFE_FILE": str(life)}
            | environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        started = Worker(process, log)
        try:
            until(lambda: life.exists() or process.poll() is not None)
            yield started
        finally:
            if process.poll() is None:
                started.kill()


def until(happened: Callable[[], object]) -> None:
    """Wait for something.

    Raises:
        TimeoutError: when it does not happen.

    """
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(MOMENT)
