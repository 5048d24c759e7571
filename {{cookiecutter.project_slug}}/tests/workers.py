"""Real workers for tests, and a mail server that records the emails it has accepted."""

import os
import secrets
import signal
import socketserver
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.tasks.celery_app import broker
from conftest import MakeApp
from tests import toy_task
from tests.waiting import HANG_TIMEOUT_SECONDS, POLL_SECONDS, wait_until

PROJECT = Path(__file__).parents[1]
BROKER_URL = os.environ.get("TEST_BROKER_URL", "")
KEPT = ("HOME", "PATH", "PYTHONDONTWRITEBYTECODE")
GRACE = 3.0  # seconds to wait for what must not happen


@dataclass
class Mailbox:
    """The emails that a mail server has accepted, and controls to delay it."""

    taken: list[str] = field(default_factory=list)
    """The Message-ID of each accepted email."""
    go: Event = field(default_factory=Event)
    busy: int = 0
    """The number of emails to refuse temporarily (451)."""
    reached: Event = field(default_factory=Event)
    """Set when an email has been read completely, but not accepted yet."""


class MailServer(socketserver.ThreadingTCPServer):
    """Accepts emails on loopback; waits for `go` before it accepts one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SMTPHandler)
        self.box = Mailbox()
        self.box.go.set()
        self.url = f"smtp://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close the connection early."""


class _SMTPHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.reply_with(b"220 ready")
        box = cast("MailServer", self.server).box
        while line := self.rfile.readline():
            if line.upper().startswith(b"MAIL") and box.busy:
                box.busy -= 1
                self.reply_with(b"451 busy")
                continue
            if not line.upper().startswith(b"DATA"):
                self.reply_with(b"250 fine")
                continue
            self.reply_with(b"354 go ahead")
            name = self.email()
            box.reached.set()
            box.go.wait(HANG_TIMEOUT_SECONDS)
            # The server is not responsible for an email before it sends 250 (RFC 5321, 6.1).
            if name and self.is_alive():
                box.taken.append(name)
                self.reply_with(b"250 taken")

    def email(self) -> str:
        """Read an email; return its Message-ID."""
        name = ""
        while part := self.rfile.readline():
            if part.lower().startswith(b"message-id:"):
                name = part.split()[-1].decode()
            if part == b".\r\n":
                return name
        return ""

    def is_alive(self) -> bool:
        """Return whether the sender still waits for a reply."""
        self.connection.settimeout(0.2)
        try:
            return bool(self.connection.recv(1))
        except TimeoutError:
            return True
        except OSError:
            return False
        finally:
            self.connection.settimeout(None)

    def reply_with(self, reply: bytes) -> None:
        """Send a reply."""
        self.wfile.write(reply + b"\r\n")


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Run a mail server."""
    with MailServer() as listening:
        Thread(target=listening.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        yield listening
        listening.shutdown()


@dataclass
class Worker:
    """A running worker."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """Return the worker's output, which must consist of JSON log lines only."""
        return [*map(orjson.loads, self.log.read_bytes().splitlines())]

    def kill_tasks(self) -> None:
        """Kill the processes that run tasks, as the kernel does when memory runs out."""
        for child in self.children():
            os.kill(child, signal.SIGKILL)

    def children(self) -> list[int]:
        """Return the ids of the worker's child processes."""
        pid = self.process.pid
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split())]

    def kill(self) -> None:
        """Kill all processes of the worker at once, as a power failure does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Stop the worker with SIGTERM; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(HANG_TIMEOUT_SECONDS)


@contextmanager
def worker(folder: Path, *arguments: str, **environment: str) -> Iterator[Worker]:
    """Run a worker during the block, which starts when the worker accepts tasks."""
    name = secrets.token_hex(4)
    life, log = folder / f"{name}.life", folder / f"{name}.log"
    base_environment = {
        "APP_ENV": "testing",
        "LOG_FORMAT": "json",
        "WORKER_HEARTBEAT_FILE": str(life),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603  no part of the command comes from outside
            [
                *(sys.executable, "-m", "celery", "--quiet", "--app", "tests.toy_worker"),
                *("worker", "--without-gossip", "--without-mingle", "--concurrency", "1"),
                *arguments,
            ],
            cwd=PROJECT,
            env={key: os.environ[key] for key in KEPT if key in os.environ}
            | base_environment
            | environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_until(lambda: life.exists() or process.poll() is not None)
        yield Worker(process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass
class Service:
    """A service with its mail server, and a function that starts workers."""

    app: Flask
    client: FlaskClient
    mail: MailServer
    start: Callable[..., AbstractContextManager[Worker]]
    environment: Mapping[str, str]
    """The environment for other processes of this service."""

    def request_email(self) -> TestResponse:
        """Send a request that queues an email."""
        response = self.client.post(toy_task.URL, json=toy_task.NOTE)
        assert response.status_code == HTTPStatus.ACCEPTED  # noqa: S101  a test's helper
        return response

    def emails_after(self, moment: float = GRACE) -> int:
        """Return the number of emails after waiting for duplicates."""
        wait_until(lambda: self.mail.box.taken)
        time.sleep(moment)
        assert len(set(self.mail.box.taken)) == 1  # noqa: S101  a test's helper
        return len(self.mail.box.taken)


@contextmanager
def serving(make_app: MakeApp, request: pytest.FixtureRequest) -> Iterator[Service]:
    """Yield a service that can start workers; skip the test without TEST_BROKER_URL."""
    if not BROKER_URL:
        pytest.skip("TEST_BROKER_URL names no broker")
    folder: Path = request.getfixturevalue("tmp_path")
    # {% if cookiecutter.database != "none" %}
    request.getfixturevalue("toy_tables")
    # {% endif %}
    with mail_server() as mail:
        values = {
            "broker_url": BROKER_URL,
            "service_name": f"test-{secrets.token_hex(4)}",
            "mail_url": mail.url,
            "mail_from": "service@shop.example",
            "task_time_limit_seconds": "2",
            "task_max_backoff_seconds": "5",
            # {% if cookiecutter.database != "none" %}
            "database_url": request.getfixturevalue("database_url"),
            # {% endif %}
        }
        environment = {name.upper(): value for name, value in values.items()}

        def start(*arguments: str, **more: str) -> AbstractContextManager[Worker]:
            return worker(folder, *arguments, **environment, **more)

        app = toy_task.init_app(make_app(**values))
        environment |= {"APP_ENV": "testing"}
        yield Service(app, app.test_client(), mail, start, environment)
        its = broker.of(app)
        with its.connect() as connection:
            connection.default_channel.queue_delete(f"{its.name}.tasks")
            connection.default_channel.queue_delete(its.dead_letter_queue_name)
        its.shut_down()
